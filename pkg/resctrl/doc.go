// Package resctrl gives a container a share of the processors' caches and of
// the memory bandwidth, or a counter of their use: linux.intelRdt of the
// specification, which serves AMD and Arm too (Linux 4.10 and later;
// Documentation/filesystems/resctrl.rst).
//
// Side of the fork: the caller's. Groups are made before there is a process, the
// process is put in while it waits at a gate. Without the file system it does
// nothing but say so.
package resctrl
