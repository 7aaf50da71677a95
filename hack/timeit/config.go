package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ociVersion is what Debian 12's crun still takes; it refuses a config.json of 1.1 and later unread.
const ociVersion = "1.0.2"

// editConfig makes a bench's bundle of what `spec --rootless` wrote: no terminal, this root, these ids and arguments.
//
//	timeit config FILE ROOTFS UIDS GIDS ARG...
//
// where UIDS and GIDS are HOST or HOST:START:COUNT: container id 0 is HOST, and COUNT more from 1 on are START and up.
func editConfig(args []string) error {
	if len(args) < 5 {
		return fmt.Errorf("usage: timeit config FILE ROOTFS UIDS GIDS CMD")
	}
	uids, err := parseMappings(args[2])
	if err != nil {
		return err
	}
	gids, err := parseMappings(args[3])
	if err != nil {
		return err
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	root, okRoot := config["root"].(map[string]any)
	process, okProcess := config["process"].(map[string]any)
	linux, okLinux := config["linux"].(map[string]any)
	if !okRoot || !okProcess || !okLinux {
		return fmt.Errorf("%s lacks its root, process or linux section", args[0])
	}
	config["ociVersion"] = ociVersion
	root["path"] = args[1] // absolute: a link in a bundle is refused by some
	process["terminal"] = false
	process["args"] = args[4:]
	linux["uidMappings"], linux["gidMappings"] = uids, gids
	if data, err = json.MarshalIndent(config, "", "\t"); err != nil {
		return err
	}
	return os.WriteFile(args[0], data, 0o644)
}

func parseMappings(terms string) ([]map[string]int, error) {
	parts := strings.Split(terms, ":")
	numbers := make([]int, len(parts))
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("ids %q: %w", terms, err)
		}
		numbers[i] = int(n)
	}
	switch len(numbers) {
	case 1:
		return []map[string]int{extent(0, numbers[0], 1)}, nil
	case 3:
		return []map[string]int{extent(0, numbers[0], 1), extent(1, numbers[1], numbers[2])}, nil
	}
	return nil, fmt.Errorf("ids %q: want HOST or HOST:START:COUNT", terms)
}

func extent(container, host, size int) map[string]int {
	return map[string]int{"containerID": container, "hostID": host, "size": size}
}
