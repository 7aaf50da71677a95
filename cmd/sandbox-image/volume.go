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
	cmd.AddCommand(volumeCreate(), volumeList(), volumeInspect(), volumeRemove(), volumeExists())
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
		v, err := s.found.Volume(name)
		if err != nil {
			return err
		}
		v.Unlock()
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
	all := len(names) == 0
	if all {
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
		info, err := os.Lstat(path)
		if there := image.VolumeName(name) && err == nil && info.IsDir(); there {
			list = append(list, shownVolume{name, "local", path, info.ModTime(), "local"})
		} else if !all {
			return nil, &exitError{fmt.Errorf("no volume with name %q: no such volume", name), 1}
		}
	}
	return list, nil
}

func volumeExists() *cobra.Command {
	return withStore("exists NAME", "Exit with 0 where a volume is, else with 1", cobra.ExactArgs(1), func(s *opened, args []string) error {
		if _, err := s.volumes(args); err != nil {
			os.Exit(1)
		}
		return nil
	})
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
		printVolumes(list, quiet)
		return nil
	})
	cmd.Aliases = []string{"list"}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "names only")
	cmd.Flags().StringVar(&format, "format", "", "`FORMAT` json")
	return cmd
}

func printVolumes(list []shownVolume, quiet bool) {
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
	var absent []string
	cmd := withStore("rm [flags] NAME...", "Remove volumes", cobra.ArbitraryArgs, func(s *opened, args []string) error {
		if len(args)+len(absent) == 0 {
			return errors.New("volume rm wants the name of a volume")
		}
		return s.removeVolumes(args, absent, force)
	})
	cmd.Flags().StringArrayVar(&absent, "absent", nil, "said by sandbox: it is not there, or not ours")
	_ = cmd.Flags().MarkHidden("absent")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "no error for one that is not there")
	return cmd
}

// removeVolumes removes all that it can.
func (s *opened) removeVolumes(names, absent []string, force bool) error {
	var failed error
	for _, name := range absent {
		if err := s.notOwn(name); !force || !errors.Is(err, errNoVolume) {
			failed = errors.Join(failed, err)
		}
	}
	for _, name := range names {
		if err := s.removeVolume(name); err == nil {
			fmt.Println(name)
		} else if !force || !errors.Is(err, errNoVolume) {
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return &exitError{oneLine(failed), 1}
	}
	return nil
}

var errNoVolume = errors.New("no such volume")

// notOwn is what is wrong with a volume that is not there, or not ours.
func (s *opened) notOwn(name string) error {
	if _, err := s.volumes([]string{name}); err != nil {
		return fmt.Errorf("no volume with name %q: %w", name, errNoVolume)
	}
	return fmt.Errorf("volume %s is podman's, which may have it in a container: podman volume rm %[1]s", name)
}

// removeVolume removes one of ours, which sandbox has locked.
func (s *opened) removeVolume(name string) error {
	if !s.found.OwnVolume(name) {
		return s.notOwn(name)
	}
	root, err := os.OpenRoot(s.found.VolumesPath())
	if err != nil {
		return err
	}
	return errors.Join(root.RemoveAll(name), root.Close())
}

// fill copies a directory into a new volume. It is copied beside it first: one that was not copied to its end is copied again.
func (s *opened) fill(name string, from int, ids *idtools.IDMappings) error {
	data := s.found.VolumePath(name)
	stage := filepath.Join(filepath.Dir(data), "_fill")
	if _, err := os.Lstat(stage); err != nil { // nobody has begun
		if names, err := os.ReadDir(data); err != nil || len(names) > 0 {
			return err // somebody has put something there
		}
	}
	if err := errors.Join(os.RemoveAll(stage), os.Mkdir(stage, 0o700)); err != nil {
		return err
	}
	if err := copyTree(stage, from, ids); err != nil {
		return errors.Join(err, os.RemoveAll(stage))
	}
	entries, err := os.ReadDir(stage)
	for _, e := range entries {
		to := filepath.Join(data, e.Name())
		err = errors.Join(err, os.RemoveAll(to), os.Rename(filepath.Join(stage, e.Name()), to))
	}
	return errors.Join(err, likeIt(data, from, ids), os.Remove(stage))
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
		ids, err := c.owners()
		if err != nil {
			return err
		}
		return s.fill(args[0], from, ids)
	})
	cmd.Hidden = true
	c.flags(cmd)
	return cmd
}

// copyTree copies what is in a directory, with owners, modes and extended attributes, and the directory's own. ids are how owners are
// numbered there.
func copyTree(to string, from int, ids *idtools.IDMappings) error {
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := (&archiver{}).archive(in, from)
		in.CloseWithError(err)
		done <- err
	}()
	err := chrootarchive.UntarUncompressed(out, to, &archive.TarOptions{UIDMaps: ids.UIDs(), GIDMaps: ids.GIDs()})
	out.CloseWithError(err)
	if err = errors.Join(err, <-done); err != nil {
		return err
	}
	return likeIt(to, from, ids)
}

// likeIt gives a directory the owner and the mode of another.
func likeIt(to string, from int, ids *idtools.IDMappings) error {
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return err
	}
	owner, err := ids.ToHost(idtools.IDPair{UID: int(st.Uid), GID: int(st.Gid)})
	if err != nil {
		return err
	}
	return errors.Join(os.Lchown(to, owner.UID, owner.GID), unix.Chmod(to, st.Mode&0o7777))
}
