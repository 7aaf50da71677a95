// Command sandbox runs commands and OCI containers without root.
//
// Each command is one small file: what was typed becomes one call of
// pkg/lifecycle. It must not import plan, userns, rootfs or confine.
package main
