// Package idmap knows which host id is which container id: extents,
// subuid/subgid ranges, newuidmap.
//
// It works for the parent's side of the fork only: it chooses a map before the
// child exists and writes it while the child is held at a gate. Nothing here
// runs in the child.
//
// A decision is made from facts and comes first (Choose), the effect is dumb
// and comes later (Start, Wait). What is lost on the way is said as a
// Shortfall, found by looking before anything is tried; the words and fixes for
// people are made elsewhere.
//
// Of this module it imports helper, which finds newuidmap, and must not import
// anything else, nor runtime-spec: callers convert linux.uidMappings to extents
// themselves.
package idmap
