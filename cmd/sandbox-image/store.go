package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	digest "github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/lockfile"
	"go.podman.io/storage/types"
	"golang.org/x/sys/unix"

	"sandbox/pkg/image"
)

// opened is a store that is written to.
type opened struct {
	storage.Store
	found *image.Store // the same, as it is read
	regs  *image.Registries
	loads bool // whether what is loaded is told as such
}

// lockShared takes a lock by the library that has the others.
func lockShared(path string, readOnly bool) (func(), error) {
	get := lockfile.GetLockFile
	if readOnly {
		get = lockfile.GetROLockFile // a process has one kind of each
	}
	l, err := get(path)
	if err != nil {
		return nil, err
	}
	l.RLock()
	return l.Unlock, nil
}

// openStore opens the caller's store, and makes it where there is none.
func openStore() (*opened, error) {
	who := image.Caller{UID: uid(), Home: home(), Env: os.Getenv, Lock: lockShared}
	found, err := image.Open(who)
	if err != nil {
		return nil, err
	}
	regs, err := who.Registries()
	if err != nil {
		return nil, err
	}
	options, err := types.DefaultStoreOptions()
	if err != nil {
		return nil, fmt.Errorf("find the store of images: %w", err)
	}
	options.GraphRoot, options.GraphDriverName, options.ImageStore = found.Graph, found.Driver, ""
	if dir := os.Getenv(runVariable); dir != "" && strings.HasPrefix(options.RunRoot, os.TempDir()+"/") {
		options.RunRoot = dir
	}
	if single() {
		options.GraphDriverOptions = append(options.GraphDriverOptions, found.Driver+".ignore_chown_errors=true")
	}
	s, err := getStore(options)
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", found.Graph, err)
	}
	return &opened{s, found, regs, false}, nil
}

// getStore opens it. What a killed pull has left is removed then, and its process that unpacks may not have noticed yet that
// nobody waits for it.
func getStore(options storage.StoreOptions) (s storage.Store, err error) {
	for range 40 {
		if s, err = storage.GetStore(options); !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return s, err
}

// put takes an image in, and gives it a name.
func (s *opened) put(img v1.Image, names []string, p *progress) (id string, err error) {
	parts, err := take(img)
	if err != nil {
		return "", err
	}
	top, err := s.putLayers(parts, p)
	if err != nil {
		return "", err
	}
	id = parts.config.Encoded()
	manifest := digest.FromBytes(parts.manifest)
	options := &storage.ImageOptions{Digest: manifest, CreationDate: parts.created, BigData: []storage.ImageBigDataOption{
		{Key: parts.config.String(), Data: parts.configData, Digest: parts.config},
		{Key: storage.ImageDigestManifestBigDataNamePrefix + "-" + manifest.String(), Data: parts.manifest, Digest: manifest},
		{Key: storage.ImageDigestBigDataKey, Data: parts.manifest, Digest: manifest},
	}}
	_, err = s.CreateImage(id, nil, top, "{}", options)
	if errors.Is(err, storage.ErrDuplicateID) {
		err = nil // it is there, perhaps by somebody who was killed before he had written the rest
		for _, d := range options.BigData {
			of := d.Digest
			err = errors.Join(err, s.SetImageBigData(id, d.Key, d.Data, func([]byte) (digest.Digest, error) { return of, nil }))
		}
	}
	if err == nil && len(names) > 0 {
		err = s.AddNames(id, names)
	}
	if err != nil {
		return "", fmt.Errorf("record the image: %w", err)
	}
	return id, nil
}

// putLayers takes the layers in that the store does not have, the lowest first, and returns the topmost.
func (s *opened) putLayers(parts *parts, p *progress) (top string, err error) {
	f := fetch(parts, func(i int) bool { return s.has(parts, i) }, p)
	defer f.close()
	for i := range parts.layers {
		id := parts.chain[i]
		if s.has(parts, i) {
			p.have(i)
			top = id
			continue
		}
		blob, err := f.wait(i)
		if err != nil {
			return "", fmt.Errorf("layer %s: %w", parts.layers[i].digest, err)
		}
		err = s.putLayer(parts, i, top, blob)
		if errors.Is(err, storage.ErrDuplicateID) { // somebody else has had it by then
			top = id
			continue
		}
		if err != nil {
			return "", fmt.Errorf("unpack layer %s: %w", parts.layers[i].digest, err)
		}
		p.done(i)
		top = id
	}
	return top, nil
}

// putLayer unpacks a layer on top of another. What it holds is compared with what the image says before the layer counts: its
// name in the store would be that of another image's, which is believed.
func (s *opened) putLayer(parts *parts, i int, top string, in *os.File) error {
	defer in.Close()
	plain, err := archive.DecompressStream(in)
	if err != nil {
		return err
	}
	defer plain.Close()
	l, want := parts.layers[i], parts.diffs[i]
	checked := &verified{in: &tooLarge{plain, maxSize}, sum: want.Verifier(), want: want}
	options := &storage.LayerOptions{OriginalDigest: l.digest, OriginalSize: &l.size, UncompressedDigest: want}
	if _, _, err = s.PutLayer(parts.chain[i], top, nil, "", false, options, checked); err != nil {
		return err
	}
	if !checked.whole {
		return errors.Join(errors.New("the store has not read it to its end"), s.DeleteLayer(parts.chain[i]))
	}
	return nil
}

// verified reads something that has a digest: another one is an error in place of its end.
type verified struct {
	in    io.Reader
	sum   digest.Verifier
	want  digest.Digest
	whole bool
}

func (v *verified) Read(b []byte) (int, error) {
	n, err := v.in.Read(b)
	_, _ = v.sum.Write(b[:n]) // a hash takes everything
	if errors.Is(err, io.EOF) {
		if v.whole = v.sum.Verified(); !v.whole {
			err = fmt.Errorf("it does not hold what the image says, %s", v.want)
		}
	}
	return n, err
}

func (s *opened) has(parts *parts, i int) bool {
	layer, err := s.Layer(parts.chain[i])
	return err == nil && layer.UncompressedDigest == parts.diffs[i]
}

// chainIDs are the names of layers in a store: of the lowest what it holds, of another one what lies below it too.
func chainIDs(diffs []digest.Digest) (ids []string) {
	for i, d := range diffs {
		if i == 0 {
			ids = append(ids, d.Encoded())
			continue
		}
		ids = append(ids, digest.Canonical.FromString(ids[i-1]+"+"+d.Encoded()).Encoded())
	}
	return ids
}

// find is an image of the store by what somebody typed.
func (s *opened) find(name string) (*image.Image, error) { return s.found.Find(name) }

// isReference is the grammar of names with a registry and a tag (github.com/distribution/reference).
var isReference = func() *regexp.Regexp {
	const label, part = `[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?`, `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
	return regexp.MustCompile(`^(?:` + label + `(?:\.` + label + `)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?(?:/` + part + `)+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
}()

// whole is a name that is to be given, with its registry and tag. An error is what podman could not read in its store either.
func whole(typed string) (string, error) {
	full := typed
	if !strings.Contains(filepath.Base(full), ":") {
		full += ":latest"
	}
	if host, _, ok := strings.Cut(full, "/"); !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		full = "localhost/" + full
	}
	if !isReference.MatchString(full) {
		return "", fmt.Errorf("%q is no name of an image: invalid reference format", typed)
	}
	return full, nil
}
