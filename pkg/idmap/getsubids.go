package idmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"sandbox/pkg/helper"
)

// asked runs getsubids(1), which loads the directory service's plug-in that a
// static program cannot load (libsubid_sss.so and the like).
func (h Host) asked(kind Kind, c Caller, src *Source) []Range {
	if c.Name == "" || strings.HasPrefix(c.Name, "-") {
		return nil
	}
	program, err := h.finder().Find("getsubids", nil)
	if err != nil {
		var missing *helper.MissingError
		if !errors.As(err, &missing) || len(missing.Refused) > 0 {
			src.note("%v", err)
		}
		return nil
	}
	args := []string{c.Name}
	if kind == GID {
		args = []string{"-g", c.Name}
	}
	out, err := h.output(program, args)
	if err != nil {
		// "Error fetching ranges" and status 1 is how it says that there are none.
		src.note("%s %s: %v", program.Path, strings.Join(args, " "), err)
		return nil
	}
	src.Name = "getsubids"
	return parseGetsubids(out, src)
}

// output runs a program with a time limit, because a directory service may be
// out of reach, and takes 1 MiB of its output at most.
func (h Host) output(program *helper.Program, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), h.patience())
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program.As(3), args...)
	if program.File != nil {
		cmd.ExtraFiles = []*os.File{program.File}
	}
	cmd.Env = []string{"LC_ALL=C", helper.Path}
	cmd.Stdout = &capped{w: &out, left: 1 << 20}
	cmd.WaitDelay = 100 * time.Millisecond
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("no answer in %v", h.patience())
	}
	return out.Bytes(), err
}

// capped drops what is too much and says nothing: an error would become SIGPIPE
// for the writer, and what came before is still good.
type capped struct {
	w    io.Writer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	c.left -= n
	if _, err := c.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// parseGetsubids reads lines "0: owner start count". The numbers are taken from
// the end, because an owner of a directory service may have spaces in it.
func parseGetsubids(b []byte, src *Source) []Range {
	var out []Range
	for line := range bytes.Lines(b) {
		words := bytes.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) < 4 || !bytes.HasSuffix(words[0], []byte(":")) {
			src.note("getsubids: %s is not \"index: owner start count\"", quote(line))
			continue
		}
		r, err := toRange(words[len(words)-2], words[len(words)-1])
		if err != nil {
			src.note("getsubids: %s: %v", quote(line), err)
			continue
		}
		if len(out) == maxRanges {
			src.note("getsubids: only the first %d ranges are used", maxRanges)
			break
		}
		out = append(out, r)
	}
	return out
}
