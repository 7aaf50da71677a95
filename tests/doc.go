// Package tests holds what needs real namespaces, as scripts a user could have typed: every tests/*.txtar is run by
// TestScripts against the built binary, the same script as an ordinary user with subordinate ids, as one without, and as
// root. It runs on the caller's side of the fork only and links nothing of ours, so that what is tested is what is shipped.
//
// attacks/ holds replays of attacks on container runtimes, one script each, named by its CVE where it has one. Each makes
// the attempt for real, shows that it was made, and that the container works all the same.
//
// images/ are about images: what is pulled, kept, shared and run.
//
// codes_*_test.go have a row for each code that `sandbox explain` lists, which makes the host on which the program under test
// prints it (TestCodes). A new code needs one. testdata/codes.sh are the words that they are written in.
//
// vm/ is about the machine that hack/vm boots, and runs only there.
//
// # Running
//
//	go test ./tests                            builds the binary and runs as whoever calls
//	go test ./tests -run TestScripts/walk -v   one script, with its log
//	hack/test -run TestScripts/walk            the same as all three callers
//
// SANDBOX_BIN names a built binary, SANDBOX_LINKED one that needs a loader (CGO_ENABLED=1). SANDBOX_TEST_MUST is a comma-separated list of probe names (or "all") that must hold
// on this machine: a script that would skip because of one of them fails instead.
//
// A step that cannot fail looks like any other: a pattern that matches whatever comes, an exit status that every failure
// has. hack/mutants holds bugs that users or attackers would feel, a small file each, and hack/mutate says which test
// notices which. Whoever writes a test for a behaviour adds the mutant that it is for:
//
//	go run ./hack/mutate -run NAME             builds the program with that bug, and runs the tests that the mutant names
//	go run ./hack/mutate -check                do all still apply and compile? (hack/test asks it, too)
//
// # What a script has
//
// Its own HOME, XDG_RUNTIME_DIR (0700) and TMPDIR, none of them below $WORK: the working directory of a script must not
// lie above $HOME, because `sandbox run -- CMD` then makes nothing writable. $ID is a container id no other script has,
// $LOOK is how many seconds an attacker looks around, $RACE how many one keeps exchanging names (SANDBOX_TEST_LOOK and
// SANDBOX_TEST_RACE: slow machines need more than 8 and 3). $SANDBOX_BIN is the binary itself, and $SHOW_BIN
// the flag with which a sandbox inside of another one finds it, wherever it lies. `sandbox` on PATH is that binary; for root it is a line of sh that adds --root, because
// root's state directory is shared and a script could not tell its own leftovers from another's.
//
// Conditions, besides testscript's own:
//
//	[root] [user]      who calls
//	[subids]           the caller has subordinate uids and gids, and newuidmap and newgidmap are there
//	[probe:NAME]       a named fact of this machine (probes_test.go); false prints "SKIP-PROBE NAME: reason"
//	[probe:exec:PROG]  PROG is installed
//
// Commands, besides testscript's own:
//
//	bundle DIR [ARG...]       DIR/rootfs from a static busybox and DIR/config.json from `sandbox spec`, process.terminal
//	                          false, process.args ARG... (default: true)
//	rootfs DIR                only the busybox tree
//	store DIR                 a store of images of the script's own, which podman and the like take for theirs too
//	attacker FILE             this test's own program, as a payload: FILE helper:NAME [ARG...], see attack_test.go; the
//	                          script says [!probe:static] skip before
//	jsonset FILE PATH VALUE   PATH is dotted, an index or - (append) in arrays, \. for a dot inside a key;
//	                          VALUE is JSON, or a string when it does not parse as JSON
//	jsondel FILE PATH         removes it; it must be there
//	[!] jsonget FILE PATH     prints it (strings bare, the rest as JSON); ! says it must not be there
//	status N CMD              runs CMD and asserts its exact exit status (128+n for signal n); `stdin FILE` works
//	terminal [-in FILE [-after TEXT]] [-size ROWSxCOLS] [-resize ROWSxCOLS] N CMD
//	                          status with a terminal of its own: stdin, stdout, stderr and controlling; what it printed
//	                          is stdout. The bytes of FILE are typed as they are (\x04 is end of file), once the
//	                          terminal is raw or after half a second
//	                          (<pause> in it is half a second; the terminal is resized at the first)
//	pidfd SOCKET N CMD        status of a command that sends a pidfd to SOCKET; prints "pidfd WORD PID" for it
//	notify SOCKET N CMD       status of a command with NOTIFY_SOCKET=SOCKET and a service manager there, which writes what it
//	                          is told to SOCKET.txt: a line each message, and how many fds came along
//	agent SOCKET ERRNO N CMD  status while a seccomp agent listens at SOCKET, lets every call it is asked about fail with
//	                          ERRNO, and writes what it was told (ContainerProcessState) to SOCKET.json
//	eventually CMD            retries a program, or one of these commands, until it succeeds, for ten seconds at most
//	hostpid ID [VAR]          sets VAR (default PID) to the pid `sandbox state ID` reports
//	freeports VAR...          sets each to a port of the host that is free, by tcp and udp; they follow each other
//	[!] alive PIDFILE         the process is there and no zombie
//	[!] dead PIDFILE          it is not
//
// Use `status 0` and not `exec` for whatever leaves a process behind (run -d, create, start): its output goes to files,
// while exec waits until the last holder of its pipes has gone, which is when the container ends.
//
// A script may skip only as `[!probe:NAME] skip`; TestSkipsAreNamed holds them to it. After every script the harness
// fails it when a container of its own is left or a mount below its directories remains, and removes both.
package tests
