package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	bbolt "go.etcd.io/bbolt"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// draft is content on its way in: small in memory, as long as not all of them
// together are large, else in a temporary file.
type draft struct {
	s       *Spool
	buf     []byte // its capacity is what the draft has of the memory for all
	file    *os.File
	size    int64
	checked int64 // room was last looked at with this size
	err     error // sticky
	done    bool
}

// roomStep is how much of a large draft is written between two looks at the room.
const roomStep = 1 << 20

var errDraftDone = errors.New("draft was appended or discarded")

// Draft begins content.
func (s *Spool) Draft(ctx context.Context) (queue.Draft, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return &draft{s: s}, nil
}

// Write takes octets of the content.
func (d *draft) Write(p []byte) (int, error) {
	if d.done {
		return 0, errDraftDone
	}
	if d.err != nil {
		return 0, d.err
	}
	if d.file == nil && d.hold(p) {
		d.size += int64(len(p))
		return len(p), nil
	}
	n, err := d.spill(p)
	d.size += int64(n)
	if err != nil {
		d.err = asFull(err)
	}
	return n, d.err
}

// hold keeps p in memory, unless the draft is large or all drafts together are.
func (d *draft) hold(p []byte) bool {
	n := len(d.buf) + len(p)
	if n > d.s.opts.MaxSmall {
		return false
	}
	if was := cap(d.buf); n > was {
		size := min(max(n, 2*was, bufferSize), d.s.opts.MaxSmall)
		if d.s.held.Add(int64(size-was)) > d.s.opts.Memory {
			d.s.held.Add(int64(was - size))
			return false
		}
		old := d.buf
		d.buf = append(d.s.buffers.take(size), old...)
		d.s.buffers.give(old)
	}
	d.buf = append(d.buf, p...)
	return true
}

// letGo gives the memory of the draft back.
func (d *draft) letGo() {
	d.s.held.Add(-int64(cap(d.buf)))
	d.s.buffers.give(d.buf)
	d.buf = nil
}

// bufferSize is what a draft holds in memory at first: most mail is no larger.
const bufferSize = 4 << 10

// buffers has those of drafts that are over.
type buffers struct{ pool sync.Pool }

// take gives an empty one for size octets.
func (b *buffers) take(size int) []byte {
	if size == bufferSize {
		if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
			return p[:0]
		}
	}
	return make([]byte, 0, size)
}

// give takes one back that nobody uses any more.
func (b *buffers) give(p []byte) {
	if cap(p) == bufferSize {
		b.pool.Put((*[bufferSize]byte)(p[:bufferSize]))
	}
}

// spill writes to the file, making it first.
func (d *draft) spill(p []byte) (int, error) {
	if err := d.s.fail.Hit("draft.write"); err != nil {
		return 0, err
	}
	if d.file == nil {
		name := fmt.Sprintf("%d-%d.tmp", d.s.epoch, d.s.drafts.Add(1))
		f, err := os.OpenFile(filepath.Join(d.s.content, name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			return 0, fmt.Errorf("draft: %w", err)
		}
		d.file = f
		if _, err := f.Write(d.buf); err != nil {
			return 0, fmt.Errorf("draft: %w", err)
		}
		d.letGo()
	}
	if d.checked == 0 || d.size-d.checked > roomStep {
		d.checked = max(d.size, 1)
		if err := d.s.room.forFile(int64(len(p))); err != nil {
			return 0, err
		}
	}
	n, err := d.file.Write(p)
	if err != nil {
		err = fmt.Errorf("draft: %w", err)
	}
	return n, err
}

// ReadAt reads octets that were written.
func (d *draft) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case d.done:
		return 0, errDraftDone
	case d.err != nil:
		return 0, d.err
	case d.file != nil:
		return d.file.ReadAt(p, off)
	}
	return bytes.NewReader(d.buf).ReadAt(p, off)
}

// Size gives the octets written.
func (d *draft) Size() int64 { return d.size }

// Discard drops the draft; after Append it does nothing.
func (d *draft) Discard() {
	if d.done {
		return
	}
	d.done = true
	d.letGo()
	if d.file != nil {
		_ = d.file.Close() // the file goes anyway
		d.s.removeContent(filepath.Base(d.file.Name()))
	}
}

// finish makes the content of a large draft durable under its final name, but
// for the directory, which the committer syncs once for all.
func (d *draft) finish(id mail.ID) (name string, err error) {
	tmp := d.file.Name()
	if err := d.s.fail.Hit("append.written"); err != nil {
		return "", errors.Join(err, d.file.Close())
	}
	err = dataSync(d.file)
	if cerr := d.file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.s.fail.Hit("append.synced")
	}
	if err != nil {
		return "", fmt.Errorf("sync content: %w", err)
	}
	// A name is used once, so that the same id again cannot replace content.
	name = id.String() + "." + strings.TrimSuffix(filepath.Base(tmp), ".tmp")
	if err := os.Rename(tmp, filepath.Join(d.s.content, name)); err != nil {
		return "", fmt.Errorf("name content: %w", err)
	}
	return name, d.s.fail.Hit("append.renamed")
}

// contentID takes the id off the name of a content file.
func contentID(name string) (mail.ID, bool) {
	text, serial, ok := strings.Cut(name, ".")
	id, err := mail.ParseID(text)
	epoch, n, found := strings.Cut(serial, "-")
	_, err1 := strconv.ParseUint(epoch, 10, 32)
	_, err2 := strconv.ParseUint(n, 10, 64)
	return id, ok && found && err == nil && err1 == nil && err2 == nil
}

// removeContent unlinks content that no record names. What stays is swept at
// the next start.
func (s *Spool) removeContent(name string) {
	if s.fail.Hit("content.remove") != nil {
		return
	}
	err := os.Remove(filepath.Join(s.content, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("content not removed", "err", err)
	}
}

// asFull makes ErrFull of what the kernel says when there is no room. Other
// errors stay as they are.
func asFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", queue.ErrFull, err)
	}
	return err
}

// content is the octets of one message from its file, smallContent those from the
// record.
type (
	content struct {
		*os.File
		size int64
	}
	smallContent struct{ bytes.Reader }
)

func (c *content) Size() int64 { return c.size }

func newSmallContent(p []byte) *smallContent {
	c := &smallContent{}
	c.Reset(p)
	return c
}

func (*smallContent) Close() error { return nil }

// Open gives the content as the client sent it.
func (s *Spool) Open(ctx context.Context, id mail.ID) (queue.Content, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if small, ok := s.youngContent(id); ok {
		return newSmallContent(small), nil
	}
	r, small, err := s.segmentContent(id)
	if err != nil {
		return nil, s.tellDamaged(id, err)
	}
	if r.ContentFile == "" {
		return newSmallContent(small), nil
	}
	f, err := os.Open(filepath.Join(s.content, r.ContentFile))
	if err != nil {
		return nil, s.tellDamaged(id, s.missing(id, err))
	}
	fi, err := f.Stat()
	if err == nil && fi.Size() != r.ContentSize {
		err = queue.ErrDamaged
	}
	if err != nil {
		_ = f.Close() // read only
		return nil, s.tellDamaged(id, fmt.Errorf("content of %s: %w", id, err))
	}
	return &content{File: f, size: r.ContentSize}, nil
}

// segmentContent gives the record of a message, and content that lies in no file of its
// own.
func (s *Spool) segmentContent(id mail.ID) (r *messageRecord, small []byte, err error) {
	for last := (place{}); ; {
		var c stored
		err := s.view(func(tx *bbolt.Tx) error {
			v, err := storedMessage(tx, id)
			if err != nil {
				return err
			}
			if r, c, err = openMessageRecord(v); err != nil {
				return fmt.Errorf("message %s: %w", id, err)
			}
			c.small = bytes.Clone(c.small)
			return nil
		})
		if err != nil || c.at.seg == 0 {
			return r, c.small, err
		}
		if err = s.fail.Hit("content.read"); err == nil {
			small, err = readPlace(s.journal.dir, c.at)
		}
		if err == nil {
			return r, small, nil
		}
		// It may have been moved, or its message has left and the segment was written over.
		if c.at == last && errors.Is(err, errElsewhere) {
			return nil, nil, fmt.Errorf("content of %s: %w: %w", id, queue.ErrDamaged, err)
		} else if c.at == last {
			return nil, nil, fmt.Errorf("content of %s: %w", id, err)
		}
		last = c.at
	}
}

// youngContent gives content that is in memory still. Nobody changes it, so it may
// be read for longer than it is there.
func (s *Spool) youngContent(id mail.ID) ([]byte, bool) {
	if s.Err() != nil {
		return nil, false
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	y := s.now.young[id]
	return y.small, y.small != nil
}

// missing tells a message that went meanwhile from content that was lost.
func (s *Spool) missing(id mail.ID, cause error) error {
	return s.view(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(bucketMessages)).Get(id[:]) == nil {
			return queue.ErrNotFound
		}
		if errors.Is(cause, fs.ErrNotExist) {
			cause = fmt.Errorf("%w: its file is missing", queue.ErrDamaged)
		}
		return fmt.Errorf("content of %s: %w", id, cause)
	})
}

// name gives the name of the file as long as it has not been kept.
func (d *draft) name() string { return filepath.Base(d.file.Name()) }
