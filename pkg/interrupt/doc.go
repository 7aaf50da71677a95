// Package interrupt is how a wait ends before its time: by a signal that would have ended us, had we not asked to hear of it.
//
// Side of the fork: the parent. It must import nothing of ours: everything that waits stands on it.
package interrupt
