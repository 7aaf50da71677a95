package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/chrootarchive"
	"go.podman.io/storage/pkg/idtools"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
)

func volumeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "volume COMMAND", Short: "Directories that outlive containers, by names", Args: cobra.NoArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(volumeCreate(), volumeList(), volumeInspect(), volumeRemove())
	return cmd
}

// withStore is a command on the store.
func withStore(use, short string, args cobra.PositionalArgs, do func(s *opened, args []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(_ *cobra.Command, args []string) error {
		s, err := openStore()
		if err != nil {
			return err
		}
		defer s.Free()
		return do(s, args)
	}}
}

func volumeCreate() *cobra.Command {
	return withStore("create [NAME]", "Make a volume", cobra.MaximumNArgs(1), func(s *opened, args []string) error {
		var b [32]byte
		_, _ = rand.Read(b[:]) // it never fails
		name := hex.EncodeToString(b[:])
		if len(args) == 1 {
			name = args[0]
			if _, err := os.Lstat(s.found.VolumePath(name)); err == nil && image.VolumeName(name) {
				return fmt.Errorf("volume with name %s already exists", name)
			}
		}
		_, unlock, err := s.found.Volume(name)
		if err != nil {
			return err
		}
		unlock()
		fmt.Println(name)
		return nil
	})
}

// shownVolume is a volume with podman's names.
type shownVolume struct {
	Name       string    `json:"Name"`
	Driver     string    `json:"Driver"`
	Mountpoint string    `json:"Mountpoint"`
	Created    time.Time `json:"CreatedAt"`
	Scope      string    `json:"Scope"`
}

// volumes are those that were typed, or all.
func (s *opened) volumes(names []string) ([]shownVolume, error) {
	if len(names) == 0 {
		entries, err := os.ReadDir(s.found.VolumesPath())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	list := make([]shownVolume, 0, len(names))
	for _, name := range names {
		path := s.found.VolumePath(name)
		info, err := os.Lstat(filepath.Dir(path))
		if !image.VolumeName(name) || err != nil || !info.IsDir() {
			return nil, fmt.Errorf("no volume with name %q: no such volume", name)
		}
		list = append(list, shownVolume{name, "local", path, info.ModTime(), "local"})
	}
	return list, nil
}

func volumeList() *cobra.Command {
	var quiet bool
	var format string
	cmd := withStore("ls [flags]", "List volumes", cobra.NoArgs, func(s *opened, _ []string) error {
		list, err := s.volumes(nil)
		switch {
		case err != nil:
			return err
		case format == "json":
			return printJSON(list)
		case format != "":
			return fmt.Errorf("--format %q: want json", format)
		}
		if !quiet {
			fmt.Println("DRIVER      VOLUME NAME")
		}
		for _, v := range list {
			if quiet {
				fmt.Println(v.Name)
			} else {
				fmt.Printf("%-12s%s\n", v.Driver, v.Name)
			}
		}
		return nil
	})
	cmd.Aliases = []string{"list"}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "names only")
	cmd.Flags().StringVar(&format, "format", "", "`FORMAT` json")
	return cmd
}

func volumeInspect() *cobra.Command {
	return withStore("inspect NAME...", "Print what volumes are, as JSON", cobra.MinimumNArgs(1), func(s *opened, args []string) error {
		list, err := s.volumes(args)
		if err != nil {
			return err
		}
		return printJSON(list)
	})
}

func printJSON(value any) error {
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "     ")
	return out.Encode(value)
}

func volumeRemove() *cobra.Command {
	var force bool
	cmd := withStore("rm [flags] NAME...", "Remove volumes", cobra.MinimumNArgs(1), func(s *opened, args []string) error {
		for _, name := range args {
			if _, err := s.volumes([]string{name}); err != nil {
				if force {
					continue
				}
				return &exitError{err, 1}
			}
			root, err := os.OpenRoot(s.found.VolumesPath())
			if err == nil {
				err = errors.Join(root.RemoveAll(name), root.Close())
			}
			if err != nil {
				return err
			}
			fmt.Println(name)
		}
		return nil
	})
	cmd.Flags().BoolVarP(&force, "force", "f", false, "no error for one that is not there")
	return cmd
}

// fillCommand is for sandbox alone, which has the volume locked.
func fillCommand() *cobra.Command {
	var c container
	cmd := withStore("fill NAME PLACE", "", cobra.ExactArgs(2), func(s *opened, args []string) error {
		img, err := s.find(c.image)
		if err != nil {
			return err
		}
		root, drop, err := s.mountImage(img)
		if err != nil {
			return err
		}
		defer drop()
		from, err := unix.Openat2(root, args[1], &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
		if errors.Is(err, unix.ENOTDIR) {
			return nil // a file of the image, which the volume covers
		}
		if err != nil {
			return &fs.PathError{Op: "open", Path: args[1], Err: err}
		}
		defer unix.Close(from)
		options, err := c.owners()
		if err != nil {
			return err
		}
		return copyTree(s.found.VolumePath(args[0]), from, options)
	})
	cmd.Hidden = true
	c.flags(cmd)
	return cmd
}

// copyTree copies what is in a directory, with owners, modes and extended attributes, and the directory's own. The options say
// which owners others become.
func copyTree(to string, from int, options *archive.TarOptions) error {
	before := complaints.Load()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := tarOf(in, from, &archive.TarOptions{Compression: archive.Uncompressed})
		in.CloseWithError(err)
		done <- err
	}()
	err := chrootarchive.UntarUncompressed(out, to, options)
	out.CloseWithError(err)
	if err = errors.Join(err, <-done); err != nil {
		return err
	}
	if complaints.Load() != before {
		return errors.New("not all of it could be read")
	}
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return err
	}
	owner, err := idtools.NewIDMappingsFromMaps(options.UIDMaps, options.GIDMaps).ToHost(idtools.IDPair{UID: int(st.Uid), GID: int(st.Gid)})
	if err != nil {
		return err
	}
	return errors.Join(os.Lchown(to, owner.UID, owner.GID), unix.Chmod(to, st.Mode&0o7777))
}
