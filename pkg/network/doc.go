// Package network takes a container's network from the wish to the helper that holds it, its files and its ports. Package
// slirp knows the programs that carry packets; here is when they are started, who starts them, and what the container sees.
//
// Side of the fork: the parent, and the helper, which is this program again (Serve).
package network
