// Package spec says what the container should be: it loads, completes and checks the OCI runtime
// configuration, and makes one from what a person typed or an image says.
//
// specs.Spec is the only description of a container; there is no second configuration type. [Load]
// reads one from a bundle, [Default] is the one `sandbox spec` writes, [Wish.Spec] makes one from
// flags, and [Validate] tells, without any privilege and in one line naming the field, why one cannot
// work.
//
// It works for the caller, long before the fork. It only reads: config.json, a root's /etc/passwd and
// /etc/group, files named by flags. It must not import anything that acts (userns, rootfs, confine,
// lifecycle and so on) and must not mount, create or change anything itself; [Write] of a new
// config.json is the one exception.
package spec
