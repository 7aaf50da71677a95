// Package kernel knows what this kernel and this host allow: probes, with the
// fix for what is missing.
//
// It works on the parent's side of the fork only, and almost all of it runs
// after something failed: a step returned an errno, and [Host.Explain] looks at
// the host again to find out which of the known causes it was. Nothing here
// decides before an operation whether it should be tried; the operation is
// tried, and its errno is what starts the search. An errno that no evidence
// explains stays a bare errno: a wrong cause is worse than none.
//
// A [Cause] has a stable code, the evidence that was seen and fixes for named
// people. A [Contract] is the list of isolation features of one run, each
// granted, degraded or refused, so that no loss is silent. [Host.Self] answers
// who we are with facts.
//
// Causes and evidence are printed in the same line as the errors that clients
// of OCI runtimes match with strings.Contains (podman and moby turn "no such
// file or directory" into exit status 127, containerd reads "does not exist" as
// NotFound). The texts here therefore avoid every such phrase; a test holds
// them to it.
//
// Imports: the standard library and golang.org/x/sys. It must not import
// lifecycle, spec, plan, userns or idmap: everyone above may ask why, so why
// can depend on nobody.
package kernel
