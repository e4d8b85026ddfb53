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
    /// [`NOBODY`] if it is unused.
    number: u64,
    deadline: T,
    waker: Option<Waker>,
    before: u32,
    after: u32,
}

/// Where a call waits: a node, and the number without which a later user of that node would be taken
/// for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) node: u32,
}

const ROOT: u32 = 0;
const NOBODY: u64 = 0;

impl<T: Copy + Ord> Queue<T> {
    /// Creates a queue in which `first` is the earliest deadline.
    pub(super) fn new(first: T) -> Self {
        let root = Node {
            number: NOBODY,
            deadline: first,
            waker: None,
            before: ROOT,
            after: ROOT,
        };
        Self {
            nodes: vec![root],
            unused: ROOT,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.node(ROOT).after == ROOT
    }

    /// Returns the earliest deadline.
    pub(super) fn first(&self) -> Option<T> {
        let first = self.node(self.node(ROOT).after);
        (first.number != NOBODY).then_some(first.deadline)
    }

    /// Enters a call, with a number of its own above zero.
    ///
    /// A deadline before that of the last call becomes the same as that one: only a clock that steps back
    /// brings it about.
    pub(super) fn push(&mut self, number: u64, deadline: T, waker: Waker) -> Place {
        let last = self.node(ROOT).before;
        let node = self.take_node(Node {
            number,
            deadline: deadline.max(self.node(last).deadline),
            waker: Some(waker),
            before: last,
            after: ROOT,
        });
        self.node_mut(last).after = node;
        self.node_mut(ROOT).before = node;
        Place { number, node }
    }

    #[inline]
    pub(super) fn has(&self, place: Place) -> bool {
        let node = self.nodes.get(place.node as usize);
        node.is_some_and(|node| node.number == place.number)
    }

    /// Returns the waker of a call that is there, unless it [was taken](Self::take_wakers).
    pub(super) fn waker(&mut self, place: Place) -> Option<&mut Waker> {
        let is_there = self.has(place);
        is_there.then(|| self.node_mut(place.node).waker.as_mut())?
    }

    /// Takes a call out, if it is there, and returns its deadline and its waker.
    #[inline]
    pub(super) fn remove(&mut self, place: Place) -> Option<(T, Option<Waker>)> {
        self.has(place).then(|| self.unlink(place.node))
    }

    /// Takes the first call out, if it is due, and returns its waker.
    pub(super) fn pop_due(&mut self, now: T) -> Option<Option<Waker>> {
        let is_due = self.first().is_some_and(|deadline| deadline <= now);
        is_due.then(|| self.unlink(self.node(ROOT).after).1)
    }

    /// Takes all wakers. The calls stay.
    pub(super) fn take_wakers(&mut self) -> impl Iterator<Item = Waker> {
        self.nodes.iter_mut().filter_map(|node| node.waker.take())
    }

    fn unlink(&mut self, index: u32) -> (T, Option<Waker>) {
        let unused = std::mem::replace(&mut self.unused, index);
        let node = self.node_mut(index);
        node.number = NOBODY;
        let (before, after) = (node.before, std::mem::replace(&mut node.after, unused));
        let gone = (node.deadline, node.waker.take());
        self.node_mut(before).after = after;
        self.node_mut(after).before = before;
        gone
    }

    /// Fills an unused node.
    fn take_node(&mut self, node: Node<T>) -> u32 {
        let index = self.unused;
        if index == ROOT {
            // Under the caller's lock, as rarely as a vector grows.
            self.nodes.push(node);
            return u32::try_from(self.nodes.len() - 1).expect("memory for four billion calls");
        }
        let place = self.node_mut(index);
        let unused = place.after;
        *place = node;
        self.unused = unused;
        index
    }

    fn node(&self, index: u32) -> &Node<T> {
        &self.nodes[index as usize]
    }

    fn node_mut(&mut self, index: u32) -> &mut Node<T> {
        &mut self.nodes[index as usize]
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes
            .iter()
            .filter(|node| node.number != NOBODY)
            .count()
    }
}
