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
	"regexp"
	"slices"
	"strconv"
	"strings"

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
	var labels []string
	var ignore bool
	var driver string
	cmd := withStore("create [flags] [NAME]", "Make a volume", cobra.MaximumNArgs(1), func(s *opened, args []string) error {
		if driver != "local" {
			return fmt.Errorf("--driver %q: want local", driver)
		}
		var b [32]byte
		_, _ = rand.Read(b[:]) // it never fails
		return s.createVolume(append(args, hex.EncodeToString(b[:]))[0], labels, ignore)
	})
	cmd.Flags().StringArrayVarP(&labels, "label", "l", nil, "`KEY=VALUE` for whoever lists volumes")
	cmd.Flags().StringVarP(&driver, "driver", "d", "local", "local, which is the only one here")
	cmd.Flags().BoolVar(&ignore, "ignore", false, "no error for one that is there")
	return cmd
}

func (s *opened) createVolume(name string, labels []string, ignore bool) error {
	v, err := s.found.NewVolume(name, pairs(labels))
	switch {
	case errors.Is(err, fs.ErrExist) && !ignore:
		return fmt.Errorf("volume with name %s already exists", name)
	case err == nil:
		v.Unlock()
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	fmt.Println(name)
	return nil
}

// pairs are words KEY=VALUE by their keys.
func pairs(words []string) map[string]string {
	m := map[string]string{}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		m[key] = value
	}
	return m
}

// volumes are those that were typed, or all.
func (s *opened) volumes(names []string) ([]image.ShownVolume, error) {
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
	list := make([]image.ShownVolume, 0, len(names))
	for _, name := range names {
		if v, there := s.volume(name); there {
			list = append(list, v)
		} else if !all {
			return nil, &exitError{fmt.Errorf("no volume with name %q: no such volume", name), 1}
		}
	}
	return list, nil
}

func (s *opened) volume(name string) (v image.ShownVolume, there bool) {
	path := s.found.VolumePath(name)
	info, err := os.Lstat(path)
	if !image.VolumeName(name) || err != nil || !info.IsDir() {
		return v, false
	}
	return image.ShownVolume{
		Name: name, Driver: "local", Mountpoint: path, CreatedAt: info.ModTime(), Scope: "local",
		Labels: s.found.VolumeLabels(name), Options: map[string]string{},
	}, true
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
	var quiet, noHeading bool
	var format string
	var filters, free []string
	cmd := withStore("ls [flags]", "List volumes", cobra.NoArgs, func(s *opened, _ []string) error {
		list, err := s.volumes(nil)
		if err == nil {
			list, err = filterVolumes(list, filters, free)
		}
		switch {
		case err != nil:
			return err
		case format != "" && format != "table":
			return printAs("volumes", format, list)
		}
		printVolumes(list, quiet, noHeading)
		return nil
	})
	cmd.Aliases = []string{"list"}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "names only")
	cmd.Flags().BoolVarP(&noHeading, "noheading", "n", false, "no line over the columns")
	cmd.Flags().StringVar(&format, "format", "", "`FORMAT` table, json or a template of Go's")
	cmd.Flags().StringArrayVarP(&filters, "filter", "f", nil, "only volumes of which `KEY=VALUE` holds: name, label, driver, scope or dangling")
	cmd.Flags().StringArrayVar(&free, "free", nil, "said by sandbox: it is ours, and no container has it")
	_ = cmd.Flags().MarkHidden("free")
	return cmd
}

// volumeFilters say whether a volume is meant by a value. Dangling are those of ours that no container has: podman's may be in one of its containers.
var volumeFilters = map[string]func(v *image.ShownVolume, value string, free []string) bool{
	"name": func(v *image.ShownVolume, value string, _ []string) bool {
		ok, err := regexp.MatchString(value, v.Name)
		return ok && err == nil
	},
	"driver": func(v *image.ShownVolume, value string, _ []string) bool { return v.Driver == value },
	"scope":  func(v *image.ShownVolume, value string, _ []string) bool { return v.Scope == value },
	"label": func(v *image.ShownVolume, value string, _ []string) bool {
		key, want, valued := strings.Cut(value, "=")
		has, ok := v.Labels[key]
		return ok && (!valued || has == want)
	},
	"dangling": func(v *image.ShownVolume, value string, free []string) bool {
		return strconv.FormatBool(slices.Contains(free, v.Name)) == value
	},
}

// filterVolumes are those of which all kinds of filters say that they are meant: of each kind, one.
func filterVolumes(list []image.ShownVolume, filters, free []string) ([]image.ShownVolume, error) {
	kinds := map[string][]string{}
	for _, f := range filters {
		key, value, ok := strings.Cut(f, "=")
		if volumeFilters[key] == nil || !ok {
			return nil, fmt.Errorf("--filter %q: want KEY=VALUE of name, label, driver, scope or dangling", f)
		}
		kinds[key] = append(kinds[key], value)
	}
	return slices.DeleteFunc(list, func(v image.ShownVolume) bool {
		for key, values := range kinds {
			if !slices.ContainsFunc(values, func(value string) bool { return volumeFilters[key](&v, value, free) }) {
				return true
			}
		}
		return false
	}), nil
}

// printAs prints JSON, or rows by a template.
func printAs(of, format string, rows any) error {
	if format == "json" {
		return printJSON(rows)
	}
	return render(of, format, rows)
}

func printVolumes(list []image.ShownVolume, quiet, noHeading bool) {
	if !quiet && !noHeading {
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
	var format string
	var all bool
	cmd := withStore("inspect [flags] NAME...", "Print what volumes are, as JSON", cobra.ArbitraryArgs, func(s *opened, args []string) error {
		if all == (len(args) > 0) {
			return errors.New("volume inspect wants names of volumes, or --all")
		}
		list, err := s.volumes(args)
		if err != nil {
			return err
		}
		return printAs("volumes", format, list)
	})
	cmd.Flags().StringVarP(&format, "format", "f", "json", "`FORMAT` json or a template of Go's")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all volumes")
	return cmd
}

func printJSON(value any) error {
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "     ")
	return out.Encode(value)
}

func volumeRemove() *cobra.Command {
	var force, all bool
	var absent []string
	cmd := withStore("rm [flags] NAME...", "Remove volumes", cobra.ArbitraryArgs, func(s *opened, args []string) error {
		if len(args)+len(absent) == 0 && !all {
			return errors.New("volume rm wants the name of a volume")
		}
		return s.removeVolumes(args, absent, force)
	})
	cmd.Flags().StringArrayVar(&absent, "absent", nil, "said by sandbox: it is not there, or not ours")
	_ = cmd.Flags().MarkHidden("absent")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "no error for one that is not there")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all of sandbox's")
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
		ids, err := c.owners()
		if err != nil {
			return err
		}
		return s.fillFrom(args[0], img, args[1], ids)
	})
	cmd.Hidden = true
	c.flags(cmd)
	return cmd
}

// fillFrom fills a volume with what an image has at a place.
func (s *opened) fillFrom(name string, img *image.Image, place string, ids *idtools.IDMappings) error {
	root, drop, err := s.mountImage(img)
	if err != nil {
		return err
	}
	defer drop()
	from, err := unix.Openat2(root, place, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if errors.Is(err, unix.ENOTDIR) {
		return nil // a file of the image, which the volume covers
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: place, Err: err}
	}
	defer unix.Close(from)
	return s.fill(name, from, ids)
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
