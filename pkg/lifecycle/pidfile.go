package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"sandbox/pkg/outfile"
)

// writePid is for --pid-file.
func writePid(path string, pid int) error {
	// Without a newline: containerd parses the whole file as a number.
	if err := outfile.Replace(path, []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return fmt.Errorf("write the pid file %s: %w", path, rootCause(err))
	}
	return nil
}

// rootCause is an error without the name of the file, which is said already.
func rootCause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
