// Package image finds which layers an image is: it reads the caller's containers/storage, the store that podman, buildah and
// skopeo keep their images in, under the store's own shared locks, and writes nothing.
//
// A store is a directory (storage.conf(5), "graphroot"): DRIVER-images/images.json lists the images, DRIVER-images/ID/ has
// what belongs to one (its configuration, its manifests), and DRIVER/ the layers. What writes there or speaks to a registry is
// a program of its own, sandbox-image, so that no start pays for linking that.
//
// An image is a stranger's: what it says is bounded when it is read, and selects nothing that this program does.
package image
