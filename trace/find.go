package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sort"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// ErrOff is the answer of a recorder that is switched off.
var ErrOff = errors.New("the trace is switched off")

// Query says which messages to tell of: that with an ID, or those to which the
// other fields apply; an empty one applies to all. Addresses and Message-IDs are
// compared without regard to case; From "<>" is the null reverse-path.
type Query struct {
	ID        mail.ID
	To        string
	From      string
	MessageID string
	// Client is the network address that mail came from, User the name at AUTH or
	// the access key id.
	Client, User string
	Since        time.Time
	// Limit is the most messages, 20 unless given: the newest.
	Limit int
}

// Story is what is known of one message, or of one that was refused.
type Story struct {
	ID      mail.ID // zero for one that was refused
	Records []*Record
	// Cut counts the records that were left out, for there were too many.
	Cut int
}

// Bounds of an answer.
const (
	maxLimit   = 1000
	maxStory   = 2000
	maxAnswer  = 64 << 20 // octets of all stories
	clockSlack = time.Minute
)

// Find gives the stories that a query asks for, oldest first. Where records were
// lost in the time of a story, a Lost record stands in it.
func (r *Recorder) Find(ctx context.Context, q Query) ([]Story, error) {
	if r == nil {
		return nil, ErrOff
	}
	if q.Limit <= 0 {
		q.Limit = 20
	}
	q.Limit = min(q.Limit, maxLimit)
	files, err := r.files(ctx)
	if err != nil {
		return nil, err
	}
	s := &search{ctx: ctx, files: files, q: &q, byID: make(map[mail.ID]*Story)}
	if !q.ID.IsZero() {
		s.want(q.ID)
	} else if err := s.messages(); err != nil {
		return nil, err
	}
	if err := s.lives(); err != nil {
		return nil, err
	}
	return s.told(), nil
}

// search is one Find.
type search struct {
	ctx    context.Context
	files  []segment
	q      *Query
	byID   map[mail.ID]*Story
	alone  []Story // of refused messages
	lost   []*Record
	octets int64
}

func (s *search) want(id mail.ID) {
	if s.byID[id] == nil {
		s.byID[id] = &Story{ID: id}
	}
}

// messages finds which messages a query is about, from the newest back.
func (s *search) messages() error {
	var keys []uint32
	switch q := s.q; {
	case q.MessageID != "":
		keys = []uint32{hash('m', bare(q.MessageID))}
	case q.To != "":
		keys = []uint32{hash('t', q.To)}
	case q.User != "":
		keys = []uint32{hash('u', q.User)}
	case q.Client != "":
		keys = []uint32{hash('c', q.Client)}
	case q.From == "<>":
		keys = []uint32{hash('f', "")}
	case q.From != "":
		keys = []uint32{hash('f', q.From)}
	}
	for i, f := range slices.Backward(s.files) {
		if i+1 < len(s.files) && s.files[i+1].start.Add(clockSlack).Before(s.q.Since) {
			return nil
		}
		more, err := s.newest(f, keys)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// newest looks through one segment from its end, and reports whether more are
// wanted.
func (s *search) newest(f segment, keys []uint32) (more bool, err error) {
	var at []int64
	err = s.each(f, keys, false, func(off int64, _ []*Record) { at = append(at, off) })
	if err != nil {
		return false, err
	}
	for _, off := range slices.Backward(at) {
		list, err := s.open(f, off)
		if err != nil {
			return false, err
		}
		for _, rec := range slices.Backward(list) {
			if !rec.matches(s.q) {
				continue
			}
			if rec.ID.IsZero() {
				s.alone = append(s.alone, Story{Records: []*Record{rec}})
			} else {
				s.want(rec.ID)
			}
			if len(s.byID)+len(s.alone) >= s.q.Limit {
				return false, nil
			}
		}
	}
	return true, nil
}

// lives gathers all records of the messages that were found.
func (s *search) lives() error {
	keys := []uint32{hash('g', "")}
	begin := time.Now()
	for id := range s.byID {
		keys = append(keys, hash('i', string(id[:])))
		if t := id.Time(); t.Before(begin) {
			begin = t
		}
	}
	for _, story := range s.alone {
		if t := story.Records[0].Time; t.Before(begin) {
			begin = t
		}
	}
	begin = begin.Add(-clockSlack)
	for i, f := range s.files {
		if i+1 < len(s.files) && s.files[i+1].start.Before(begin) {
			continue
		}
		err := s.each(f, keys, true, func(_ int64, list []*Record) {
			for _, rec := range list {
				s.keep(rec)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *search) keep(rec *Record) {
	if rec.Kind == Lost {
		s.lost = append(s.lost, rec)
		return
	}
	story := s.byID[rec.ID]
	if story == nil && !rec.About.IsZero() {
		story = s.byID[rec.About]
	}
	if story == nil {
		return
	}
	n := rec.octets()
	if len(story.Records) >= maxStory || s.octets+n > maxAnswer {
		story.Cut++
		return
	}
	s.octets += n
	story.Records = append(story.Records, rec)
}

// told puts the stories in order, with what was lost.
func (s *search) told() []Story {
	list := s.alone
	for _, story := range s.byID {
		from, end := story.ID.Time().Add(-time.Second), story.end()
		for _, gap := range s.lost {
			if gap.Time.After(from) && (end.IsZero() || gap.Since.Before(end)) {
				story.Records = append(story.Records, gap)
			}
		}
		if len(story.Records) > 0 {
			list = append(list, *story)
		}
	}
	for _, story := range list {
		sort.SliceStable(story.Records, func(i, j int) bool {
			return story.Records[i].Time.Before(story.Records[j].Time)
		})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Records[0].Time.Before(list[j].Records[0].Time) })
	return list
}

// end gives the time of the last record if nothing is to come: all recipients that
// were accepted are delivered or failed. Else it is zero.
func (s *Story) end() time.Time {
	waiting := make(map[string]bool)
	var end time.Time
	for _, rec := range s.Records {
		if rec.Kind == Accepted {
			for _, to := range rec.To {
				waiting[to] = true
			}
		}
		end = rec.Time
	}
	if len(waiting) == 0 {
		return time.Time{}
	}
	for _, rec := range s.Records {
		for _, o := range rec.Outcomes {
			if o.Next == 0 && o.Result != mail.Deferred.String() {
				delete(waiting, o.To)
			}
		}
	}
	if len(waiting) > 0 {
		return time.Time{}
	}
	return end
}

// each goes through the blocks of a segment that have one of the keys (all blocks
// when there are none), and gives where they lie and, if open is set, their
// records. A block that cannot be read is passed over.
func (s *search) each(f segment, keys []uint32, open bool, do func(at int64, list []*Record)) error {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // swept since
	}
	if err != nil {
		return err
	}
	defer file.Close()
	for at := int64(0); at < f.size; {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		h, raw, err := readHead(file, at)
		if err != nil {
			return nil // from here on the lengths mean nothing
		}
		here := at
		at += h.size()
		found, err := has(file, here, &h, keys)
		if err != nil || !found {
			continue
		}
		var list []*Record
		if open {
			if list, err = load(file, here, &h, &raw); err != nil {
				continue
			}
		}
		do(here, list)
	}
	return nil
}

// has reports whether a block has one of the keys.
func has(f *os.File, at int64, h *head, keys []uint32) (bool, error) {
	if len(keys) == 0 {
		return h.records > 0, nil
	}
	there := make([]byte, 4*h.keys)
	if _, err := f.ReadAt(there, at+headSize); err != nil {
		return false, err
	}
	for _, key := range keys {
		_, found := sort.Find(int(h.keys), func(i int) int {
			k := binary.BigEndian.Uint32(there[4*i:])
			switch {
			case key < k:
				return -1
			case key > k:
				return 1
			}
			return 0
		})
		if found {
			return true, nil
		}
	}
	return false, nil
}

func load(f *os.File, at int64, h *head, raw *[headSize]byte) ([]*Record, error) {
	_, payload, err := readBody(f, at, h, raw)
	if err != nil {
		return nil, err
	}
	return records(payload, h)
}

// open gives the records of one block, none if it cannot be read.
func (s *search) open(f segment, at int64) ([]*Record, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	h, raw, err := readHead(file, at)
	if err != nil {
		return nil, nil
	}
	list, err := load(file, at, &h, &raw)
	if err != nil {
		return nil, nil // a broken block tells nothing, the others do
	}
	return list, nil
}
