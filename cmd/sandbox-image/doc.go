// Sandbox-image writes the store of images and speaks to registries for sandbox, which calls it: so no start of a container pays
// for linking that. It is not meant to be typed.
//
//	sandbox-image PROTOCOL VERB [flags] [ARG...]
//
// What it does in the store it does as root of a user namespace with all ids of its caller, in which it starts itself once more:
// an image's files belong to many.
package main
