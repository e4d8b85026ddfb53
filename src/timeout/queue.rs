//! The calls that wait for one timer.
//!
//! Their limit is the same, so their deadlines come in the order in which they do: whoever is first is
//! due first, and nobody has to be sorted in. A ring of nodes that are used again and again, so that to
//! enter and to leave, at any place, takes a few writes and, once the ring has grown, no allocation.

use std::task::Waker;

/// Calls by order of their deadlines.
///
/// It runs no code of others: wakers are moved in and out, and it is the caller who clones, wakes and drops
/// them.
pub(super) struct Queue<T> {
    /// The first node is the root, which is nobody's: after it comes the first call, before it the last.
    nodes: Vec<Node<T>>,
    /// The first of the unused nodes, each of which names the next one as the one after it; or the root.
    unused: u32,
}

struct Node<T> {
    /// None if it is unused.
    call: Option<Call<T>>,
    before: u32,
    after: u32,
}

/// A call that waits.
pub(super) struct Call<T> {
    pub(super) number: u64,
    pub(super) deadline: T,
    pub(super) waker: Waker,
}

/// Where a call waits: a node, and the number without which a later user of that node would be taken
/// for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) node: u32,
}

const ROOT: u32 = 0;

/// As many nodes are kept for the next calls: 56 KB.
const MANY: usize = 1_024;

impl<T: Copy + Ord> Queue<T> {
    pub(super) fn new() -> Self {
        let root = Node {
            call: None,
            before: ROOT,
            after: ROOT,
        };
        Self {
            nodes: vec![root],
            unused: ROOT,
        }
    }

    /// Returns the earliest deadline.
    pub(super) fn first(&self) -> Option<T> {
        let first = self.node(self.node(ROOT).after);
        first.call.as_ref().map(|call| call.deadline)
    }

    /// Enters a call with a number of its own.
    ///
    /// If its deadline is before that of the last call, which only a clock that steps back brings about,
    /// it gets the same.
    // Inlined, so that the call is written once, into its node.
    #[inline(always)]
    pub(super) fn push(&mut self, number: u64, deadline: T, waker: Waker) -> Place {
        let node = self.take_node();
        let before = self.node(ROOT).before;
        let last = self.node(before).call.as_ref();
        let deadline = last.map_or(deadline, |last| deadline.max(last.deadline));
        *self.node_mut(node) = Node {
            call: Some(Call {
                number,
                deadline,
                waker,
            }),
            before,
            after: ROOT,
        };
        self.node_mut(before).after = node;
        self.node_mut(ROOT).before = node;
        Place { number, node }
    }

    /// Returns the waker of a call, if it is there.
    pub(super) fn waker(&mut self, place: Place) -> Option<&mut Waker> {
        let call = self.nodes.get_mut(place.node as usize)?.call.as_mut();
        let call = call.filter(|call| call.number == place.number);
        call.map(|call| &mut call.waker)
    }

    /// Takes a call out, if it is there.
    #[inline]
    pub(super) fn remove(&mut self, place: Place) -> Option<Call<T>> {
        self.waker(place)?;
        self.unlink(place.node)
    }

    /// Takes the first call out.
    pub(super) fn pop(&mut self) -> Option<Call<T>> {
        match self.node(ROOT).after {
            ROOT => None,
            first => self.unlink(first),
        }
    }

    /// Takes the first call out, if it is due.
    pub(super) fn pop_due(&mut self, now: T) -> Option<Call<T>> {
        self.first().filter(|deadline| *deadline <= now)?;
        self.pop()
    }

    #[inline]
    fn unlink(&mut self, index: u32) -> Option<Call<T>> {
        let unused = std::mem::replace(&mut self.unused, index);
        let node = self.node_mut(index);
        let (before, after) = (node.before, std::mem::replace(&mut node.after, unused));
        let call = node.call.take();
        self.node_mut(before).after = after;
        self.node_mut(after).before = before;
        // The root is the only one that can be on both sides.
        if before == after && self.nodes.len() > MANY {
            self.let_go();
        }
        call
    }

    /// Gives the memory of a crowd back when it is gone.
    #[cold]
    fn let_go(&mut self) {
        self.nodes.truncate(1);
        self.nodes.shrink_to_fit();
        self.unused = ROOT;
    }

    /// Takes an unused node, or a new one.
    #[inline]
    fn take_node(&mut self) -> u32 {
        let index = self.unused;
        if index == ROOT {
            return self.grow();
        }
        self.unused = self.node(index).after;
        index
    }

    /// Allocates, under the caller's lock, as seldom as a vector does.
    #[cold]
    fn grow(&mut self) -> u32 {
        let index = u32::try_from(self.nodes.len());
        self.nodes.push(Node {
            call: None,
            before: ROOT,
            after: ROOT,
        });
        index.expect("memory does not hold four billion nodes")
    }

    fn node(&self, index: u32) -> &Node<T> {
        &self.nodes[index as usize]
    }

    fn node_mut(&mut self, index: u32) -> &mut Node<T> {
        &mut self.nodes[index as usize]
    }

    #[cfg(all(test, not(portcullis_loom)))]
    pub(super) fn capacity(&self) -> usize {
        self.nodes.capacity()
    }

    #[cfg(all(test, not(portcullis_loom)))]
    pub(super) fn len(&self) -> usize {
        self.nodes.iter().filter(|node| node.call.is_some()).count()
    }
}
