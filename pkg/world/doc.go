// Package world is what surrounds a payload besides its root, as steps of a plan: namespaces, host name, sysctls, keyring,
// loopback, terminal, and the descriptors, signals and limits that it inherits; and the way into the world of a process that
// runs.
//
// Side of the fork: the parent writes the steps, the child runs them. Nothing here forks.
package world
