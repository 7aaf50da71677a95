// Package cgroup2 knows in which cgroup a container lives, and what is written
// to it.
//
// Where a group comes from is apart from what is done with it. A source is a
// transient scope of systemd, asked for over D-Bus, a directory that is already
// ours, or the group we were started in. A [Group] is a directory of cgroup v2 by
// its path; limits are a list of [Write] that a pure function made from the
// resources of an OCI spec, before there is a group.
//
// It works on the parent's side of the fork, and knows neither containers nor
// their states. Version 1 is not supported: its directories cannot be delegated
// safely (kernel, Documentation/admin-guide/cgroup-v2.rst, "Delegation").
//
// It must not import lifecycle or spec.
package cgroup2
