// Package file tells a destination by lines of JSON in a file, one for each event.
// It is a branch of event. It owns the file, its rotation by size and time, and
// that a line is on stable storage before its event counts as told. It does not
// know whose file it is.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/internal/atomicfile"
)

// Options is what a File is made from.
type Options struct {
	// Dir is the folder that files lie in, at any depth; Name is relative to it.
	// Nothing outside is touched, whatever links lie in it.
	Dir, Name string
	Encoder   *event.Encoder
	// MaxBytes and MaxAge are when a file is put aside and another begun; 0 is never.
	MaxBytes int64
	MaxAge   time.Duration
}

// File appends events to a file. It is an event.Sink.
type File struct {
	o     Options
	root  *os.Root
	f     *os.File
	size  int64
	began time.Time
}

// New makes a sink. The file is opened with the first event.
func New(o Options) (*File, error) {
	root, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open folder for events: %w", err)
	}
	return &File{o: o, root: root}, nil
}

// Ready implements event.Sink.
func (w *File) Ready(context.Context) error { return nil }

// Close implements event.Sink.
func (w *File) Close() error { return errors.Join(w.shut(), w.root.Close()) }

func (w *File) shut() error {
	if w.f == nil {
		return nil
	}
	err := w.f.Close()
	w.f = nil
	return err
}

// Tell implements event.Sink: all records or none. A crash before they are
// acknowledged writes them again; their sequence tells.
func (w *File) Tell(ctx context.Context, records []event.Record) ([]uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	seqs := make([]uint64, len(records))
	for i, r := range records {
		lines.Write(w.o.Encoder.Line(r, true))
		lines.WriteByte('\n')
		seqs[i] = r.Seq
	}
	if err := w.write(lines.Bytes()); err != nil {
		return nil, errors.Join(err, w.takeBack())
	}
	return seqs, nil
}

// takeBack ends the file where it was before a write that failed: on a full disk each
// try would else leave the lines that found room, until there is none.
func (w *File) takeBack() error {
	if w.f == nil {
		return nil
	}
	return errors.Join(w.f.Truncate(w.size), w.shut())
}

func (w *File) write(lines []byte) error {
	if err := w.ready(); err != nil {
		return err
	}
	if _, err := w.f.Write(lines); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	if err := w.f.Sync(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	w.size += int64(len(lines))
	return nil
}

// open opens the file at its end. A line that a crash left unfinished goes: its
// event was not acknowledged and is written anew.
func (w *File) open() error {
	dir := path.Dir(w.o.Name)
	if err := w.root.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make folder for events: %w", err)
	}
	f, err := w.root.OpenFile(w.o.Name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("open file for events: %w", err)
	}
	if err := w.begin(f, dir); err != nil {
		return errors.Join(fmt.Errorf("open file for events: %w", err), f.Close())
	}
	return nil
}

func (w *File) begin(f *os.File, dir string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	end, err := lastLine(f, info.Size())
	if err != nil {
		return err
	}
	if end < info.Size() {
		if err := f.Truncate(end); err != nil {
			return err
		}
	}
	if _, err := f.Seek(end, io.SeekStart); err != nil {
		return err
	}
	w.f, w.size, w.began = f, end, time.Now()
	if end > 0 {
		w.began = info.ModTime() // the best that is known after a restart
	}
	return atomicfile.SyncDir(path.Join(w.o.Dir, dir))
}

// lastLine gives where the last whole line ends.
func lastLine(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for size > 0 {
		n := min(int64(len(buf)), size)
		if _, err := f.ReadAt(buf[:n], size-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return size - n + int64(i) + 1, nil
		}
		size -= n
	}
	return 0, nil
}

// ready opens the file, or another when it is large or old enough.
func (w *File) ready() error {
	if w.f == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	large := w.o.MaxBytes > 0 && w.size >= w.o.MaxBytes
	old := w.o.MaxAge > 0 && w.size > 0 && time.Since(w.began) >= w.o.MaxAge
	if !large && !old {
		return nil
	}
	if err := errors.Join(w.shut(), w.putAside()); err != nil {
		return err
	}
	return w.open()
}

// putAside gives the file the time behind its name.
func (w *File) putAside() error {
	base := w.o.Name + "." + time.Now().UTC().Format("20060102T150405Z")
	for n := 0; ; n++ {
		aside := base
		if n > 0 {
			aside = fmt.Sprintf("%s.%d", base, n)
		}
		if _, err := w.root.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			if err := w.root.Rename(w.o.Name, aside); err != nil {
				return fmt.Errorf("rotate file for events: %w", err)
			}
			return nil
		} else if err != nil {
			return fmt.Errorf("rotate file for events: %w", err)
		}
	}
}
