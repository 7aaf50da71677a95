// Package slirp is how packets leave a container and ports arrive in it without
// root: the programs that carry them (slirp4netns, pasta), a port driver whose half
// inside is RootlessKit's, and the files of the container that speak of its network.
//
// One helper process for each container with a network holds all of it together
// ([Helper.Serve]). It starts the carrier, listens on published ports, answers
// `sandbox port`, and ends with the container.
package slirp
