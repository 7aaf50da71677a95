// Package netdev moves a network device into another network namespace, with
// its addresses: linux.netDevices of the specification.
//
// Side of the fork: the caller's, while the container waits at a gate. The
// container itself may not take a device from the host. It speaks rtnetlink(7)
// with plain system calls and knows nothing about containers.
package netdev
