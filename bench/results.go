package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// results is the file of figures. Each command replaces its own part.
type results struct {
	file string

	Machine string    `json:"machine"`
	Taken   time.Time `json:"taken"`
	// Sync is one data sync of 4 KB of the file system of the queues; RSA and
	// Ed25519 are the CPU of one signature by Go's library.
	Sync    float64 `json:"sync_ms"`
	RSA     float64 `json:"rsa_2048_ms"`
	Ed25519 float64 `json:"ed25519_ms"`

	Samples  []sample          `json:"samples"`
	LeftOut  map[string]string `json:"left_out"`
	Settings map[string]string `json:"settings"`
	// Named holds what the commands other than compare found.
	Named map[string]json.RawMessage `json:"named"`
}

// openResults reads a file that may not be there yet, and looks at the machine
// if nobody has. Without a name nothing is read or saved.
func openResults(file string) (*results, error) {
	r, err := readResults(file)
	if file == "" || errors.Is(err, fs.ErrNotExist) {
		r, err = &results{}, nil
	}
	if err != nil {
		return nil, err
	}
	r.file = file
	if r.LeftOut == nil {
		r.LeftOut = map[string]string{}
	}
	if r.Settings == nil {
		r.Settings = map[string]string{}
	}
	if r.Named == nil {
		r.Named = map[string]json.RawMessage{}
	}
	if r.Sync == 0 {
		err = r.look()
	}
	return r, err
}

// look measures what the machine is capable of. Only the comparison does it anew,
// since its figures are judged by that.
func (r *results) look() (err error) {
	r.Machine, r.Taken = machine(), time.Now().UTC().Truncate(time.Second)
	if r.RSA, r.Ed25519, err = bareSignatures(); err != nil {
		return err
	}
	r.Sync, err = dataSync(os.TempDir())
	return err
}

// readResults reads a file.
func readResults(file string) (*results, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &results{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// forget drops what was measured before of a row and servers.
func (r *results) forget(row, servers string) {
	names := strings.Split(servers, ",")
	r.Samples = slices.DeleteFunc(r.Samples, func(s sample) bool { return s.Row == row && slices.Contains(names, s.Server) })
	for _, name := range names {
		delete(r.LeftOut, row+" "+name)
	}
}

// put takes what a command found, and prints it.
func (r *results) put(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	r.Named[name] = b
	fmt.Printf("%s: %s\n", name, b)
	return r.save()
}

// get gives what a command found; false when it did not run.
func (r *results) get(name string, v any) bool {
	b, ok := r.Named[name]
	return ok && json.Unmarshal(b, v) == nil
}

func (r *results) save() error {
	if r.file == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	tmp := r.file + ".new"
	return errors.Join(os.MkdirAll(filepath.Dir(r.file), 0o755), os.WriteFile(tmp, append(b, '\n'), 0o644), os.Rename(tmp, r.file))
}
