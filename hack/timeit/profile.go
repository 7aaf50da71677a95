package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// capabilities are all that there are since Linux 5.9 (capabilities(7)).
func capabilities() []string {
	names := strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST
	NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE
	SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND
	AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)
	for i := range names {
		names[i] = "CAP_" + names[i]
	}
	return names
}

// addProfile puts the default seccomp profile for its capabilities into a config.json, so that every runtime loads the same.
// With `all` it has every capability before.
//
//	timeit profile FILE [all]
func addProfile(args []string) error {
	all := len(args) == 2 && args[1] == "all"
	if len(args) != 1 && !all {
		return fmt.Errorf("usage: timeit profile FILE [all]")
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var spec specs.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if spec.Linux == nil || spec.Process == nil {
		return fmt.Errorf("%s lacks its process or linux section", args[0])
	}
	if all {
		names := capabilities()
		spec.Process.Capabilities = &specs.LinuxCapabilities{
			Bounding: names, Effective: names, Inheritable: names, Permitted: names, Ambient: names,
		}
	}
	if spec.Linux.Seccomp, err = seccomp.GetDefaultProfile(&spec); err != nil {
		return err
	}
	if data, err = json.MarshalIndent(&spec, "", "\t"); err != nil {
		return err
	}
	return os.WriteFile(args[0], data, 0o644)
}
