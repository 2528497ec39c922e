//go:build !linux

package daemon

import (
	"errors"
	"os"
)

// clockKept is for Linux.
func clockKept() (bool, error) { return false, errors.ErrUnsupported }

// dataSync puts what was written to a file on stable storage.
func dataSync(f *os.File) error { return f.Sync() }

// volumeOf is for Linux.
func volumeOf(string) (volume, error) { return volume{}, errors.ErrUnsupported }
