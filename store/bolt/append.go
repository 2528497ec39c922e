package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// dedupeFor is how long an account's key means its first message.
const dedupeFor = 24 * time.Hour

// maxKey bounds the key of an idempotent Append.
const maxKey = 1024

// appendOp adds one message. Everything is encoded before it is queued.
type appendOp struct {
	id       mail.ID
	value    []byte
	entries  entries
	events   []encodedEvent
	charge   queue.Charge
	minute   int64
	dedupe   []byte // nil: none
	accepted int64
	file     string // content file, empty when small
	content  []byte // when small; it stays where the journal writes it
	at       int64  // where that is in the segment
	mail     []byte // the mail object; nil when it comes from the journal
	keep     bool
	early    bool // of a journal of before segments
	read     bool // from the journal
	records  int  // octets of what goes into the database

	first mail.ID // the id that counts: of this message or of the first
}

// Append makes a message durable with its entries, charge and events. It uses
// the draft up, unless the submission is refused as malformed.
func (s *Spool) Append(ctx context.Context, sub queue.Submission) (mail.ID, error) {
	if err := ctx.Err(); err != nil {
		return mail.ID{}, err
	}
	if err := s.Err(); err != nil {
		return mail.ID{}, err
	}
	if sub.EventsOnly {
		return s.appendEvents(&sub)
	}
	d, err := s.checkSubmission(&sub)
	if err != nil {
		return mail.ID{}, fmt.Errorf("append: %w", err)
	}
	sub.Message.Keep = sub.Message.Keep && s.opts.KeepFor > 0
	a, err := encodeAppend(&sub)
	if err != nil {
		return mail.ID{}, fmt.Errorf("append: %w", err)
	}
	d.done = true
	if d.file != nil {
		if a.file, err = s.keepContent(d, sub.Message.ID); err != nil {
			return mail.ID{}, err
		}
	}
	if a.file == "" {
		if a.content = d.buf; cap(d.buf) == bufferSize { // that one is used again
			a.content = bytes.Clone(d.buf)
		}
	}
	a.mail = sub.Message.Mail
	a.value, err = encodeMessage(&sub.Message, a.file, d.size, crc32.Checksum(a.content, castagnoli))
	defer s.held.Add(-int64(cap(d.buf))) // the content is as large
	s.buffers.give(d.buf)
	d.buf = nil
	if err == nil {
		err = s.submit(a.unit())
	}
	if a.file != "" && !errors.Is(err, queue.ErrBroken) && (err != nil || a.first != a.id || a.value == nil) {
		s.removeContent(a.file)
	}
	s.metrics.appended(err)
	if err != nil {
		return mail.ID{}, err
	}
	return a.first, nil
}

// appendEvents makes what happened to a message durable that is none to send.
func (s *Spool) appendEvents(sub *queue.Submission) (mail.ID, error) {
	if err := checkNames(sub); err != nil {
		return mail.ID{}, fmt.Errorf("append: %w", err)
	}
	sub.Message.To, sub.Message.Keep = nil, false
	a, err := encodeAppend(sub)
	if err != nil {
		return mail.ID{}, fmt.Errorf("append: %w", err)
	}
	if tellsDestination(a.events) {
		// A message of a mail object only.
		m := queue.Message{Account: sub.Message.Account, Accepted: sub.Message.Accepted, Mail: sub.Message.Mail}
		if a.value, err = encodeMessage(&m, "", 0, 0); err != nil {
			return mail.ID{}, fmt.Errorf("append: %w", err)
		}
	}
	err = s.submit(a.unit())
	s.metrics.appended(err)
	if err != nil {
		return mail.ID{}, err
	}
	return a.first, nil
}

// checkSubmission refuses what the keys on disk could not hold.
func (s *Spool) checkSubmission(sub *queue.Submission) (*draft, error) {
	m := &sub.Message
	d, ok := sub.Content.(*draft)
	switch {
	case !ok || d.s != s:
		return nil, errors.New("content is not a draft of this spool")
	case d.done:
		return nil, errDraftDone
	case d.err != nil:
		return nil, d.err
	case !fits(m, d.size):
		return nil, errors.New("header section or edit is out of bounds")
	case len(m.To) == 0 || len(m.To) > math.MaxUint16:
		return nil, fmt.Errorf("%d recipients", len(m.To))
	}
	for _, to := range m.To {
		if to.IsZero() {
			return nil, errors.New("empty forward-path")
		}
	}
	return d, checkNames(sub)
}

func checkNames(sub *queue.Submission) error {
	switch m := &sub.Message; {
	case m.ID.IsZero():
		return errors.New("no message id")
	case !plain(m.Account, maxName):
		return fmt.Errorf("bad account %q", m.Account)
	case sub.Charge.Recipients < 0:
		return errors.New("negative charge")
	case sub.Charge.Recipients > 0 && !plain(sub.Charge.Account, maxName):
		return fmt.Errorf("bad account %q", sub.Charge.Account)
	case len(sub.Key) > maxKey:
		return errors.New("key is too long")
	}
	return nil
}

func encodeAppend(sub *queue.Submission) (*appendOp, error) {
	m := &sub.Message
	a := &appendOp{
		id: m.ID, charge: sub.Charge, minute: minuteOf(m.Accepted), accepted: millis(m.Accepted), keep: m.Keep,
		entries: entries{n: len(m.To), due: millis(sub.Due), expires: millis(m.Accepted.Add(sub.MaxAge)), to: m.To, account: m.Account},
	}
	switch {
	case sub.Key != "":
		a.dedupe = dedupeKey(m.Account, sub.Key)
	case m.Notice:
		// A notice is repeated until it was acknowledged, perhaps after the
		// first one has left.
		a.dedupe = dedupeKey("", string(m.ID[:]))
	}
	var err error
	a.events, err = encodeEvents(sub.Events)
	return a, err
}

// keepContent makes a large draft durable. Without room nothing stays of it; any
// other failure breaks the spool, since a sync is never tried twice.
func (s *Spool) keepContent(d *draft, id mail.ID) (string, error) {
	name, err := d.finish(id)
	if err == nil {
		return name, nil
	}
	if err = asFull(err); !errors.Is(err, queue.ErrFull) {
		return "", s.breakDown(err)
	}
	s.removeContent(d.name())
	return "", err
}

func (a *appendOp) unit() *unit {
	size := len(a.value) + len(a.content) + 64
	for _, e := range a.events {
		size += (len(e.value) + 32) * len(e.consumers)
	}
	a.records = size - len(a.content) + a.entries.octets()
	return &unit{op: a, size: size}
}

func (a *appendOp) apply(b *batch) error {
	a.first = a.id
	if find(b.inMessages, a.id[:]) != nil || a.keep && b.isKept(a.id) {
		a.value = nil
		return nil
	}
	if first, ok := b.remembered(a.dedupe, a.accepted); ok {
		a.first, a.value = first, nil
		return nil
	}
	if n := int64(a.charge.Recipients); n > 0 && !b.charge(a.charge.Account, a.minute, n, a.charge.Limit) {
		return b.s.ledger.overdrawn(a.charge.Account, a.minute, n, a.charge.Limit)
	}
	if a.entries.n > 0 { // else there are events only
		y := young{size: len(a.value), at: placeOf(a.value), plain: placeable(a.value) && !a.keep && !a.read, mail: a.mail}
		y.fresh = b.await(a.id, a.entries)
		if b.warm+int64(len(a.content)) <= maxWarm && !a.read {
			y.small = a.content
			b.warm += int64(len(a.content))
		}
		b.put(b.messages, a.id[:], a.value)
		b.young[a.id] = y
		b.uses.hold(y.at)
		b.held += int64(len(a.value))
		b.depth.Messages++
	} else if len(a.value) > 0 {
		r, _, err := openMessageRecord(a.value)
		if err != nil {
			return err
		}
		b.keepLeft(a.id, 0, r.Mail)
	}
	b.remember(a.dedupe, a.id, a.accepted)
	b.addEvents(a.events)
	b.depth.Recipients += int64(a.entries.n)
	return nil
}

// remembered gives the id of the first message with this key.
func (b *batch) remembered(key []byte, now int64) (mail.ID, bool) {
	if key == nil {
		return mail.ID{}, false
	}
	v := b.dedupe.Get(key)
	if len(v) != 8+mail.IDSize || int64(binary.BigEndian.Uint64(v)) <= now {
		return mail.ID{}, false
	}
	return mail.ID(v[8:]), true
}

// remember notes a key for 24 hours, and forgets two that are over, so that the
// notes cannot pile up.
func (b *batch) remember(key []byte, id mail.ID, now int64) {
	if key == nil || b.err != nil {
		return
	}
	c := b.expiry.Cursor()
	for range 2 {
		k, _ := c.First()
		if len(k) <= 8 || int64(binary.BigEndian.Uint64(k)) > now {
			break
		}
		old, over := append([]byte(nil), k[8:]...), append([]byte(nil), k...)
		if v := b.dedupe.Get(old); len(v) >= 8 && string(v[:8]) == string(over[:8]) {
			b.remove(b.dedupe, old)
		}
		b.remove(b.expiry, over)
	}
	v := binary.BigEndian.AppendUint64(nil, uint64(now+dedupeFor.Milliseconds()))
	b.put(b.expiry, append(v[:8:8], key...), []byte{})
	b.put(b.dedupe, key, append(v, id[:]...))
}
