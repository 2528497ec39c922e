package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// model is the queue as plain maps.
type model struct {
	messages map[mail.ID]*modelMessage
	ids      []mail.ID // ever appended
	used     map[string]int64
	boxes    map[string]map[uint64]event.Type
	bounced  map[string]map[uint64]mail.ID
	seqs     map[string]uint64
	kept     map[mail.ID]bool
	keys     map[string]bool // id and key of what was told
}

type modelMessage struct {
	body    string
	acct    string
	entries map[int]*queue.Entry
	pins    map[string]bool
	keep    bool
}

const modelLimit = 25

func testModel(b *bench) {
	rounds := 0
	rapid.Check(b.T, func(t *rapid.T) {
		if rounds++; rounds > 8 && os.Getenv("SESAME_SOAK") == "" {
			return // each step is a sync or two; the rest is for the soak
		}
		r := &bench{T: b.T, open: b.open, verify: b.verify, dir: fmt.Sprintf("%s/model%d", b.dir, rounds), seq: 1000}
		r.Engine = b.open(b.T, r.dir)
		defer r.close()
		m := &modelRun{bench: r, model: &model{
			messages: make(map[mail.ID]*modelMessage), used: make(map[string]int64),
			boxes: make(map[string]map[uint64]event.Type), bounced: make(map[string]map[uint64]mail.ID),
			seqs: make(map[string]uint64), kept: make(map[mail.ID]bool), keys: make(map[string]bool),
		}}
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append, "again": m.again, "settle": m.settle, "alter": m.alter, "ack": m.ack, "tell": m.tell,
			"reopen": func(*rapid.T) { r.reopen() }, "": m.check,
		})
	})
}

type modelRun struct {
	*bench
	*model
}

func (m *modelRun) append(t *rapid.T) {
	acct := rapid.SampledFrom([]string{acct1, acct2}).Draw(t, "account")
	var rcpts []string
	for n := range rapid.IntRange(1, 4).Draw(t, "recipients") {
		dom := rapid.SampledFrom([]string{"example.org", "example.net", "a.example.org"}).Draw(t, "domain")
		rcpts = append(rcpts, fmt.Sprintf("u%d@%s", n, dom))
	}
	body := string(make([]byte, rapid.SampledFrom([]int{0, 10, 70_000}).Draw(t, "size")))
	s := m.submission(acct, body, rcpts...)
	s.Due = base().Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "due")) * time.Second)
	s.Charge = queue.Charge{Account: acct, Recipients: len(rcpts), Limit: modelLimit}
	if s.Message.Keep = rapid.Bool().Draw(t, "keep"); s.Message.Keep {
		s.Message.ID = m.id(time.Now()) // its time of keeping begins then
	}
	if rapid.Bool().Draw(t, "tell") {
		s.Events = []event.Event{{Type: event.Send, Message: s.Message.ID, Account: acct, Time: base(), Consumers: []string{"c"}}}
	}
	id, err := m.Append(context.Background(), s)
	if m.used[acct]+int64(len(rcpts)) > modelLimit {
		m.wants(err, queue.ErrQuota)
		return
	}
	m.ok(err)
	m.used[acct] += int64(len(rcpts))
	mm := &modelMessage{body: body, acct: acct, entries: make(map[int]*queue.Entry), pins: make(map[string]bool), keep: s.Message.Keep}
	for n, rcpt := range s.Message.To {
		mm.entries[n] = &queue.Entry{
			ID: id, N: n, To: rcpt, Line: queue.Line{Account: acct, Domain: rcpt.Domain()},
			State: queue.Queued, Due: s.Due,
		}
	}
	m.messages[id] = mm
	m.ids = append(m.ids, id)
	m.told(s.Events)
}

// told gives the events their numbers.
func (m *model) told(events []event.Event) {
	for _, e := range events {
		for _, c := range e.Consumers {
			if m.boxes[c] == nil {
				m.boxes[c], m.bounced[c] = make(map[uint64]event.Type), make(map[uint64]mail.ID)
			}
			m.seqs[c]++
			m.boxes[c][m.seqs[c]] = e.Type
			if mm := m.messages[e.Message]; e.Type == event.Bounce && mm != nil {
				m.bounced[c][m.seqs[c]] = e.Message
				mm.pins[fmt.Sprint(c, m.seqs[c])] = true
			}
		}
	}
}

func (m *model) drop(id mail.ID) {
	if mm := m.messages[id]; mm != nil && len(mm.entries) == 0 && len(mm.pins) == 0 {
		delete(m.messages, id)
		m.kept[id] = mm.keep
	}
}

// tell commits events alone.
func (m *modelRun) tell(t *rapid.T) {
	id, key := m.anyID(t), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
	st := queue.Settlement{ID: id, Key: key, Events: []event.Event{
		{Type: event.Complaint, Message: id, Account: acct1, Time: base(), Consumers: []string{"c"}},
	}}
	err := m.Commit(context.Background(), st)
	switch note := id.String() + key; {
	case m.messages[id] == nil && !m.kept[id]:
		m.wants(err, queue.ErrNotFound)
	case m.keys[note]:
		m.wants(err, queue.ErrRepeated)
	default:
		m.ok(err)
		m.keys[note] = true
		m.told(st.Events)
	}
}

// anyID gives an id that was appended once, or skips the step.
func (m *model) anyID(t *rapid.T) mail.ID {
	if len(m.ids) == 0 {
		t.Skip("no message yet")
	}
	return rapid.SampledFrom(m.ids).Draw(t, "id")
}

func (m *modelRun) again(t *rapid.T) {
	id := m.anyID(t)
	if m.messages[id] == nil {
		t.Skip("gone")
	}
	s := m.submission(acct1, "again", "u@example.com")
	s.Message.ID = id
	got, err := m.Append(context.Background(), s)
	m.ok(err)
	if got != id {
		t.Fatalf("append again gave %s, want %s", got, id)
	}
}

func (m *modelRun) settle(t *rapid.T) {
	id := m.anyID(t)
	st := queue.Settlement{ID: id}
	for n := range 4 {
		result := mail.Result(rapid.IntRange(0, 3).Draw(t, "result"))
		if result == 0 {
			continue
		}
		due := base().Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "due")) * time.Second)
		st.Entries = append(st.Entries, queue.Settled{N: n, Result: result, Due: due, Attempts: 1})
		if result == mail.Failed {
			st.Events = append(st.Events, event.Event{
				Type: event.Bounce, Message: id, Account: acct1, Time: base(),
				Consumers: rapid.SampledFrom([][]string{nil, {"c"}, {"c", "d"}}).Draw(t, "consumers"),
			})
		}
	}
	m.ok(m.Commit(context.Background(), st))
	m.told(st.Events)
	mm := m.messages[id]
	if mm == nil {
		return
	}
	for _, e := range st.Entries {
		if have := mm.entries[e.N]; have != nil && e.Result == mail.Deferred {
			have.Due, have.Attempts = e.Due, e.Attempts
		} else {
			delete(mm.entries, e.N)
		}
	}
	m.drop(id)
}

func (m *modelRun) alter(t *rapid.T) {
	id := m.anyID(t)
	n := rapid.IntRange(0, 3).Draw(t, "n")
	a := queue.Alteration{State: queue.State(rapid.IntRange(0, 2).Draw(t, "state"))}
	if rapid.Bool().Draw(t, "move") {
		a.Due = base().Add(time.Hour)
	}
	_, err := m.Alter(context.Background(), id, []int{n}, a)
	mm := m.messages[id]
	if mm == nil || mm.entries[n] == nil {
		m.wants(err, queue.ErrNotFound)
		return
	}
	m.ok(err)
	if a.State != 0 {
		mm.entries[n].State = a.State
	}
	if !a.Due.IsZero() {
		mm.entries[n].Due = a.Due
	}
}

func (m *modelRun) ack(t *rapid.T) {
	c := rapid.SampledFrom([]string{"c", "d"}).Draw(t, "consumer")
	seq := uint64(rapid.IntRange(1, 20).Draw(t, "seq"))
	m.ok(m.Ack(context.Background(), c, seq))
	delete(m.boxes[c], seq)
	if id, ok := m.bounced[c][seq]; ok {
		delete(m.bounced[c], seq)
		if mm := m.messages[id]; mm != nil {
			delete(mm.pins, fmt.Sprint(c, seq))
		}
		m.drop(id)
	}
}

// check compares everything that can be seen.
func (m *modelRun) check(t *rapid.T) {
	ctx := context.Background()
	var want []queue.Entry
	live, held := int64(0), int64(0)
	for id, mm := range m.messages {
		if len(mm.entries) > 0 {
			live++
		}
		for _, e := range mm.entries {
			want = append(want, *e)
			if e.State == queue.Held {
				held++
			}
		}
		if text := m.body(id); text != mm.body {
			t.Fatalf("content of %s has %d octets, want %d", id, len(text), len(mm.body))
		}
	}
	for _, id := range m.ids {
		if _, _, err := m.Load(ctx, id, nil); (m.messages[id] == nil) != errors.Is(err, queue.ErrNotFound) {
			t.Fatalf("load of %s: %v, in the model: %v", id, err, m.messages[id] != nil)
		}
		known := m.messages[id] != nil || m.kept[id]
		if _, err := m.Kept(ctx, id); known && err != nil || !known && !errors.Is(err, queue.ErrNotFound) {
			t.Fatalf("kept %s: %v, in the model: %v", id, err, known)
		}
	}
	m.depth(live, int64(len(want)), held)
	byKey := func(x, y queue.Entry) int { return cmp.Or(slices.Compare(x.ID[:], y.ID[:]), x.N-y.N) }
	slices.SortFunc(want, byKey)
	if got := m.all(queue.Filter{}); describe(got) != describe(want) {
		t.Fatalf("entries %s\nwant %s", describe(got), describe(want))
	}
	slices.SortFunc(want, func(x, y queue.Entry) int {
		return cmp.Or(cmp.Compare(x.Line.Domain, y.Line.Domain), cmp.Compare(x.Line.Account, y.Line.Account),
			x.Due.Compare(y.Due), byKey(x, y))
	})
	want = slices.DeleteFunc(want, func(e queue.Entry) bool { return e.State == queue.Held })
	lines, err := m.Lines(ctx, queue.Line{}, 100)
	m.ok(err)
	var got []queue.Entry
	for _, l := range lines {
		page, err := m.Page(ctx, l.Line, queue.PageOptions{Limit: 100})
		m.ok(err)
		got = append(got, page...)
	}
	if describe(got) != describe(want) {
		t.Fatalf("schedule %s\nwant %s", describe(got), describe(want))
	}
	for c, box := range m.boxes {
		records, err := m.Read(ctx, c, 0, 1000)
		m.ok(err)
		var seqs []uint64
		for _, r := range records {
			seqs = append(seqs, r.Seq)
		}
		if !slices.Equal(seqs, slices.Sorted(maps.Keys(box))) {
			t.Fatalf("outbox %s holds %v, want %v", c, seqs, box)
		}
	}
}

func describe(entries []queue.Entry) string {
	text := ""
	for _, e := range entries {
		text += fmt.Sprintf("%s/%d %s %s %d %d\n", e.ID, e.N, e.To, e.State, e.Due.UnixMilli(), e.Attempts)
	}
	return text
}
