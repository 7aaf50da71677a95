// Package rootfs is what the container sees as its file tree: root, mounts,
// devices, masks, pivot, as steps of a plan.
//
// The order is the one kernel permissions force:
//
//	Prepare   as the caller, before the id map exists: copies of everything
//	          that comes from the caller's tree, and filesystems whose
//	          owner is nobody's choice (proc, sysfs, cgroup)
//	Assemble  as the container's root: attach them, make mount points,
//	          tmpfs, devices
//	Seal      masks and read-only paths, after hooks have seen the tree
//	Pivot     the tree becomes "/", the caller's tree is gone
//
// Every path inside the container is resolved by openat2(2) with
// RESOLVE_IN_ROOT and is an fd from then on: a symbolic link in an image cannot
// lead a mount out of it, and nobody can swap a directory between two looks.
//
// Side of the fork: the parent writes the steps, the child runs them. It must
// not import userns or lifecycle.
package rootfs
