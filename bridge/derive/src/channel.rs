//! Frames to channels by Holocene's strict rules: one channel at a time, frames in order, a first
//! frame discards what was not completed.

use std::{collections::VecDeque, mem};

use alloy_primitives::Bytes;

use crate::{ChannelId, Frame, RLP_BYTES_PER_CHANNEL_MAX};

/// Size that each frame counts beside its data (OP Stack specification, channel bank).
const FRAME_SIZE_OVERHEAD: usize = 200;

/// Puts one channel together.
#[derive(Clone, Debug, Default)]
pub struct ChannelAssembler {
    /// Frames of the transaction being read.
    queue: VecDeque<Frame>,
    channel: Option<Staging>,
}

#[derive(Clone, Debug)]
struct Staging {
    id: ChannelId,
    /// L1 block of the first frame.
    opened: u64,
    next_frame: u16,
    data: Vec<u8>,
    /// Size with the overhead of frames.
    size: usize,
}

impl ChannelAssembler {
    /// Queues the frames of one transaction. [`Self::next_channel`] must have returned `None` before.
    pub fn push_frames(&mut self, frames: Vec<Frame>) {
        self.queue.extend(prune(frames));
    }

    /// The data of the next channel that the queued frames complete. `l1_block` is the number of the
    /// L1 block that they are in, `timeout` the L1 blocks that a channel may take.
    pub fn next_channel(&mut self, l1_block: u64, timeout: u64) -> Option<Bytes> {
        while let Some(frame) = self.queue.pop_front() {
            let timed_out = |channel: &Staging| channel.opened.saturating_add(timeout) < l1_block;
            if self.channel.as_ref().is_some_and(timed_out) {
                self.channel = None;
            }
            if let Some(data) = self.add(frame, l1_block) {
                return Some(data);
            }
        }
        None
    }

    /// Forgets the incomplete channel.
    pub fn discard_channel(&mut self) {
        self.channel = None;
    }

    fn add(&mut self, frame: Frame, l1_block: u64) -> Option<Bytes> {
        if frame.number == 0 {
            self.channel = Some(Staging {
                id: frame.id,
                opened: l1_block,
                next_frame: 0,
                data: Vec::new(),
                size: 0,
            });
        }
        let channel = self.channel.as_mut()?;
        if channel.id != frame.id || channel.next_frame != frame.number {
            return None;
        }
        channel.size =
            channel.size.saturating_add(frame.data.len()).saturating_add(FRAME_SIZE_OVERHEAD);
        if channel.size > RLP_BYTES_PER_CHANNEL_MAX {
            self.channel = None;
            return None;
        }
        channel.data.extend_from_slice(&frame.data);
        if frame.is_last {
            return self.channel.take().map(|channel| channel.data.into());
        }
        match frame.number.checked_add(1) {
            Some(next) => channel.next_frame = next,
            // No further frame can be numbered: the channel can never be completed.
            None => self.channel = None,
        }
        None
    }
}

/// Drops the frames of one transaction that are out of order among themselves (Holocene
/// specification, frame queue; op-node's `pruneFrameQueue`).
fn prune(mut frames: Vec<Frame>) -> Vec<Frame> {
    let mut kept: Vec<Frame> = Vec::with_capacity(frames.len());
    for next in mem::take(&mut frames) {
        loop {
            let Some(current) = kept.last() else {
                kept.push(next);
                break;
            };
            if current.id == next.id {
                let follows =
                    !current.is_last && current.number.checked_add(1) == Some(next.number);
                if follows {
                    kept.push(next);
                }
                break;
            }
            if next.number != 0 {
                break;
            }
            if current.is_last {
                kept.push(next);
                break;
            }
            // A first frame discards the unfinished channel before it, all frames of it.
            kept.pop();
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: u8, number: u16, is_last: bool) -> Frame {
        Frame {
            id: ChannelId::repeat_byte(id),
            number,
            data: Bytes::copy_from_slice(&[id, number as u8]),
            is_last,
        }
    }

    /// Gives each group of frames as one transaction at the L1 block with its index.
    #[track_caller]
    fn check(transactions: &[&[Frame]], timeout: u64, expected: &[&[u8]]) {
        let mut assembler = ChannelAssembler::default();
        let mut found = Vec::new();
        for (l1_block, frames) in transactions.iter().enumerate() {
            assembler.push_frames(frames.to_vec());
            while let Some(data) = assembler.next_channel(l1_block as u64, timeout) {
                found.push(data.to_vec());
            }
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn frames_in_order_complete_a_channel() {
        check(&[&[frame(1, 0, false), frame(1, 1, true)]], 9, &[&[1, 0, 1, 1]]);
        check(&[&[frame(1, 0, false)], &[], &[frame(1, 1, true)]], 9, &[&[1, 0, 1, 1]]);
        check(&[&[frame(1, 0, true), frame(2, 0, true)]], 9, &[&[1, 0], &[2, 0]]);
    }

    #[test]
    fn out_of_order_frames_are_ignored() {
        check(&[&[frame(1, 1, true), frame(1, 0, false)]], 9, &[]);
        check(
            &[&[frame(1, 0, false)], &[frame(1, 2, true)], &[frame(1, 1, true)]],
            9,
            &[&[1, 0, 1, 1]],
        );
        check(
            &[&[frame(1, 0, false)], &[frame(2, 1, true)], &[frame(1, 1, true)]],
            9,
            &[&[1, 0, 1, 1]],
        );
        check(&[&[frame(1, 0, false), frame(1, 0, false), frame(1, 1, true)]], 9, &[&[1, 0, 1, 1]]);
    }

    #[test]
    fn a_first_frame_discards_an_open_channel() {
        check(
            &[
                &[frame(1, 0, false)],
                &[frame(2, 0, false)],
                &[frame(1, 1, true)],
                &[frame(2, 1, true)],
            ],
            9,
            &[&[2, 0, 2, 1]],
        );
        check(
            &[&[frame(1, 0, false), frame(1, 1, false), frame(2, 0, true), frame(1, 2, true)]],
            9,
            &[&[2, 0]],
        );
        // The same channel begun again in another transaction starts over.
        check(
            &[&[frame(1, 0, false)], &[frame(1, 0, false)], &[frame(1, 1, true)]],
            9,
            &[&[1, 0, 1, 1]],
        );
    }

    #[test]
    fn a_channel_times_out() {
        let late: &[&[Frame]] = &[&[frame(1, 0, false)], &[], &[], &[frame(1, 1, true)]];
        check(late, 3, &[&[1, 0, 1, 1]]);
        check(late, 2, &[]);
    }
}
