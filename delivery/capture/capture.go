// Package capture is a destination that never touches the network: it writes
// each message to a directory, as it would have gone out, with its envelope
// beside it. It is a branch of delivery, for developers who want to see mail
// without sending it.
// It does not know the queue, and never removes what it wrote.
package capture

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/internal/atomicfile"
	"github.com/sesame-mta/sesame/mail"
)

// Mail is one captured message: what its .json file holds.
type Mail struct {
	ID      mail.ID            `json:"id"`
	Account string             `json:"account"`
	From    mail.ReversePath   `json:"from"` // empty for the null reverse-path
	To      []mail.ForwardPath `json:"to"`
	Time    time.Time          `json:"time"`
	Size    int64              `json:"size"`
	// File is the name of the .eml file in the directory.
	File string `json:"file"`
}

// Inbox is a Carrier that captures. It is safe for concurrent use.
type Inbox struct {
	dir string
	// naming is held from the choice of a free name until it is taken.
	naming sync.Mutex
}

var _ delivery.Carrier = (*Inbox)(nil)

// New makes the directory, for its owner alone, and an inbox in it. Only one
// process may write to it.
func New(dir string) (*Inbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make inbox: %w", err)
	}
	return &Inbox{dir: dir}, nil
}

// Carry writes the job as <id>-<n>.eml and <id>-<n>.json, and counts it as
// delivered to all recipients.
func (b *Inbox) Carry(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
	start := time.Now()
	o := mail.Outcome{Result: mail.Delivered, Host: "capture"}
	if file, err := b.write(j, start); err != nil {
		o.Result = mail.Deferred
		o.Reply = *mail.Refuse(451, 3, 0, "Message could not be captured").WithCause(err)
	} else {
		o.Reply = *mail.Refuse(250, 0, 0, "Captured as "+file)
	}
	o.Dur = time.Since(start)
	return slices.Repeat([]mail.Outcome{o}, len(j.To))
}

func (b *Inbox) write(j *delivery.Job, now time.Time) (file string, err error) {
	temp, err := os.CreateTemp(b.dir, ".capture-*") // has mode 0600
	if err != nil {
		return "", fmt.Errorf("capture: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	w := bufio.NewWriterSize(temp, 32<<10)
	_, err = w.Write(j.Header)
	if err == nil && j.Size > j.BodyAt {
		_, err = io.Copy(w, io.NewSectionReader(j.Content, j.BodyAt, j.Size-j.BodyAt))
	}
	if err = errors.Join(err, w.Flush(), temp.Sync(), temp.Close()); err != nil {
		return "", fmt.Errorf("capture: %w", err)
	}

	b.naming.Lock()
	defer b.naming.Unlock()
	name := b.free(j.ID)
	m := Mail{
		ID: j.ID, Account: j.Account, From: j.From, To: j.To,
		Time: now, Size: j.Octets(), File: name + ".eml",
	}
	envelope, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", fmt.Errorf("capture: %w", err)
	}
	if err := os.Rename(temp.Name(), filepath.Join(b.dir, m.File)); err != nil {
		return "", fmt.Errorf("capture: %w", err)
	}
	// The envelope comes last: what List sees is whole. Its sync covers both names.
	if err := atomicfile.Write(filepath.Join(b.dir, name+".json"), append(envelope, '\n'), 0o600); err != nil {
		// The message stays without an envelope, and the next try has another name.
		return "", fmt.Errorf("capture: %w", err)
	}
	return m.File, nil
}

// free gives the first name of the message that is not taken: its destinations
// come one by one.
func (b *Inbox) free(id mail.ID) string {
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s-%d", id, n)
		_, err := os.Lstat(filepath.Join(b.dir, name+".eml"))
		if errors.Is(err, fs.ErrNotExist) {
			return name
		}
	}
}

// List gives what a directory holds, newest first. A directory that does not
// exist is empty.
func List(dir string) ([]Mail, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list inbox: %w", err)
	}
	var list []Mail
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed while we looked
		}
		if err != nil {
			return nil, fmt.Errorf("list inbox: %w", err)
		}
		var m Mail
		if err := json.Unmarshal(data, &m); err != nil {
			return nil, fmt.Errorf("list inbox: %s: %w", e.Name(), err)
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(x, y Mail) int { return y.Time.Compare(x.Time) })
	return list, nil
}
