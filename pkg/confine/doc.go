// Package confine is what the payload may do: capabilities, resource limits,
// ids, no_new_privs, as steps of a plan.
//
// The order is forced: limits while we may still raise them, the bounding set
// while we have CAP_SETPCAP, then groups, gid, uid, then the remaining
// capability sets, then no_new_privs. From [Process.Drop] on the child has the
// payload's rights and no more: the working directory and the program are
// looked up with them.
//
// Side of the fork: the parent writes the steps, the child runs them. It must
// not import userns or lifecycle.
package confine
