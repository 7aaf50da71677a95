package tests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// store gives the script a store of images of its own, in DIR. An ordinary user's is named in $HOME, for podman before 6 takes
// that from no other file. It is emptied at the end, for its files may be of ids that only a user namespace removes.
func store(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return usageError("store DIR")
	}
	dir := ts.MkAbs(args[0])
	conf := filepath.Join(dir, "storage.conf")
	if os.Geteuid() != 0 {
		conf = filepath.Join(ts.Getenv("HOME"), ".config/containers/storage.conf")
	} else {
		ts.Setenv("CONTAINERS_STORAGE_CONF", conf)
	}
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.MkdirAll(filepath.Dir(conf), 0o700)); err != nil {
		return err
	}
	text := fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(dir, "graph"), filepath.Join(dir, "run"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	ts.Defer(func() { _ = ts.Exec("sandbox", "rmi", "--all", "--force") })
	return nil
}
