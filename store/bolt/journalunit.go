package bolt

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/fxamacker/cbor/v2"

	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// The kinds of units in the journal. A number is never given twice.
const (
	unitEarlyAppend = iota + 1 // of before segments: the content is in the record
	unitSettle
	unitAlter
	unitAck
	unitKeep
	unitExpire
	unitAppend
	unitMove
)

// record is what an op writes of itself into the journal, so that it can be done
// again after a crash: on the same state it comes to the same.
type record interface {
	kind() byte
	encode(w *unitWriter)
	decode(r *unitReader)
}

// newOp gives the op of a kind, to be decoded.
func newOp(kind byte) op {
	switch kind {
	case unitEarlyAppend:
		return &appendOp{early: true}
	case unitAppend:
		return &appendOp{}
	case unitMove:
		return &moveOp{}
	case unitSettle:
		return &settleOp{}
	case unitAlter:
		return &alterOp{}
	case unitAck:
		return &ackOp{}
	case unitKeep:
		return &keepOp{}
	case unitExpire:
		return &expireOp{}
	}
	return nil
}

// unit adds kind, length and record of an op.
func (w *unitWriter) unit(o op) {
	w.b = append(w.b, o.kind(), 0, 0, 0, 0)
	at := len(w.b)
	o.encode(w)
	binary.BigEndian.PutUint32(w.b[at-4:], uint32(len(w.b)-at))
}

// units takes the units of a frame apart.
func (fr *frame) ops() ([]op, error) {
	var ops []op
	rest := fr.body
	for len(rest) > 0 {
		if len(rest) < 5 {
			return nil, errFrame
		}
		n := uint64(binary.BigEndian.Uint32(rest[1:]))
		o := newOp(rest[0])
		if o == nil || n > uint64(len(rest)-5) {
			return nil, fmt.Errorf("%w: unit of kind %d", errFrame, rest[0])
		}
		r := unitReader{b: rest[5 : 5+n], seg: fr.seg, end: fr.at + frameHead + int64(len(fr.body)-len(rest)) + 5 + int64(n)}
		o.decode(&r)
		if r.bad || len(r.b) > 0 {
			return nil, fmt.Errorf("%w: unit of kind %d", errFrame, rest[0])
		}
		ops = append(ops, o)
		rest = rest[5+n:]
	}
	if len(ops) != fr.units {
		return nil, fmt.Errorf("%w: %d units, %d expected", errFrame, len(ops), fr.units)
	}
	return ops, nil
}

// unitWriter writes numbers and octets of a record.
type unitWriter struct{ b []byte }

func (w *unitWriter) num(n int64) { w.b = binary.AppendVarint(w.b, n) }
func (w *unitWriter) id(id mail.ID) {
	w.b = append(w.b, id[:]...)
}

func (w *unitWriter) flag(f bool) {
	if f {
		w.num(1)
	} else {
		w.num(0)
	}
}

func (w *unitWriter) octets(p []byte) {
	w.num(int64(len(p)))
	w.b = append(w.b, p...)
}

func (w *unitWriter) text(s string) {
	w.num(int64(len(s)))
	w.b = append(w.b, s...)
}

func (w *unitWriter) events(events []encodedEvent) {
	w.num(int64(len(events)))
	for _, e := range events {
		w.num(int64(e.kind))
		w.id(e.message)
		w.num(int64(len(e.consumers)))
		for _, c := range e.consumers {
			w.text(c)
		}
		w.octets(e.value)
	}
}

func (w *unitWriter) seqs(seqs []uint64) {
	w.num(int64(len(seqs)))
	for _, s := range seqs {
		w.b = binary.AppendUvarint(w.b, s)
	}
}

func (w *unitWriter) list(all [][]byte) {
	w.num(int64(len(all)))
	for _, p := range all {
		w.octets(p)
	}
}

// unitReader reads them back. Its octets lie in the frame; after the first
// mistake everything is empty.
type unitReader struct {
	b   []byte
	bad bool
	// seg is the segment of the frame, end where the record ends in it.
	seg uint32
	end int64
}

// at gives where the next octet lies in the segment.
func (r *unitReader) at() int64 { return r.end - int64(len(r.b)) }

func (r *unitReader) num() int64 {
	n, k := binary.Varint(r.b)
	if k <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[k:]
	return n
}

// count reads how many follow, of which each takes an octet at least.
func (r *unitReader) count() int {
	n := r.num()
	if n < 0 || n > int64(len(r.b)) {
		r.b, r.bad = nil, true
		return 0
	}
	return int(n)
}

// most reads a number that is not above a limit.
func (r *unitReader) most(limit int64) int {
	n := r.num()
	if n < 0 || n > limit {
		r.b, r.bad = nil, true
		return 0
	}
	return int(n)
}

// earlyEntries reads those of an append of before segments, each with its key and
// its place in the schedule: they differ in the recipient only.
func (r *unitReader) earlyEntries() (all entries) {
	all.n = r.count()
	for i := range all.n {
		k, v, _ := r.octets(), r.octets(), r.octets()
		if i > 0 || r.bad {
			continue
		}
		e, err := decodeEntry(k, v)
		if err != nil {
			r.b, r.bad = nil, true
		}
		all.due, all.expires = millis(e.Due), millis(e.Expires)
	}
	return all
}

func (r *unitReader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *unitReader) flag() bool     { return r.num() != 0 }
func (r *unitReader) octets() []byte { return r.take(r.count()) }
func (r *unitReader) list() (all [][]byte) {
	for range r.count() {
		all = append(all, r.octets())
	}
	return all
}

func (r *unitReader) text() string { return string(r.octets()) }

func (r *unitReader) id() (id mail.ID) {
	copy(id[:], r.take(mail.IDSize))
	return id
}

func (r *unitReader) events() []encodedEvent {
	var events []encodedEvent
	for range r.count() {
		e := encodedEvent{kind: event.Type(r.num()), message: r.id()}
		for range r.count() {
			e.consumers = append(e.consumers, r.text())
		}
		e.value = r.octets()
		events = append(events, e)
	}
	return events
}

func (r *unitReader) seqs() []uint64 {
	var seqs []uint64
	for range r.count() {
		n, k := binary.Uvarint(r.b)
		if k <= 0 {
			r.b, r.bad = nil, true
			return nil
		}
		r.b = r.b[k:]
		seqs = append(seqs, n)
	}
	return seqs
}

func (*appendOp) kind() byte { return unitAppend }

func (a *appendOp) encode(w *unitWriter) {
	w.id(a.id)
	w.octets(a.value)
	if w.num(int64(a.entries.n)); a.entries.n > 0 {
		w.num(a.entries.due)
		w.num(a.entries.expires)
	}
	w.events(a.events)
	w.text(a.charge.Account)
	w.num(int64(a.charge.Recipients))
	w.num(a.charge.Limit)
	w.num(a.minute)
	w.octets(a.dedupe)
	w.num(a.accepted)
	w.flag(a.keep)
	w.octets(a.content)
	a.at = int64(len(w.b) - len(a.content))
}

func (a *appendOp) place(seg uint32, frame int64) {
	if a.at += frame; placeable(a.value) {
		setPlace(a.value, seg, a.at)
	}
}

// placeable reports whether the record of a message says where its content lies.
func placeable(v []byte) bool { return len(v) >= recordFront+placeSize && v[0] == placedVersion }

func (a *appendOp) decode(r *unitReader) {
	a.id, a.value = r.id(), r.octets()
	if a.early {
		a.entries = r.earlyEntries()
	} else if a.entries.n = r.most(math.MaxUint16); a.entries.n > 0 {
		a.entries.due, a.entries.expires = r.num(), r.num()
	}
	a.events = r.events()
	a.charge = queue.Charge{Account: r.text(), Recipients: int(r.num()), Limit: r.num()}
	a.minute = r.num()
	if key := r.octets(); len(key) > 0 {
		a.dedupe = key
	}
	a.accepted, a.keep = r.num(), r.flag()
	if a.read = true; a.early {
		return
	}
	a.content = r.octets()
	a.at = r.at() - int64(len(a.content))
	if placeable(a.value) {
		setPlace(a.value, r.seg, a.at)
		r.bad = r.bad || placeOf(a.value).size != uint32(len(a.content))
	}
}

// settledRecord is what an entry that stays becomes.
type settledRecord struct {
	Due      int64       `cbor:"1,keyasint"`
	Attempts int         `cbor:"2,keyasint"`
	Last     replyRecord `cbor:"3,keyasint,omitzero"`
	LastHost string      `cbor:"4,keyasint,omitempty"`
	Scanned  bool        `cbor:"5,keyasint,omitempty"`
}

func (*settleOp) kind() byte { return unitSettle }

func (o *settleOp) encode(w *unitWriter) {
	w.id(o.id)
	w.num(int64(len(o.entries)))
	for _, e := range o.entries {
		w.num(int64(e.N))
		w.num(int64(e.Result))
		if e.Result != mail.Deferred {
			continue
		}
		// Of plain fields: no error.
		b, _ := cbor.Marshal(&settledRecord{millis(e.Due), e.Attempts, fromReply(e.Last), e.LastHost, e.Scanned})
		w.octets(b)
	}
	w.events(o.events)
	w.text(o.key)
}

func (o *settleOp) decode(r *unitReader) {
	o.id = r.id()
	for range r.count() {
		e := queue.Settled{N: int(r.num()), Result: mail.Result(r.num())}
		if e.Result == mail.Deferred {
			var s settledRecord
			if err := decoder.Unmarshal(r.octets(), &s); err != nil {
				r.b, r.bad = nil, true
				return
			}
			e.Due, e.Attempts, e.Last, e.LastHost, e.Scanned = fromMillis(s.Due), s.Attempts, s.Last.reply(), s.LastHost, s.Scanned
		}
		o.entries = append(o.entries, e)
	}
	o.events, o.key = r.events(), r.text()
}

func (*expireOp) kind() byte { return unitExpire }

func (o *expireOp) encode(w *unitWriter) {
	w.list(o.records)
	w.list(o.keys)
}

func (o *expireOp) decode(r *unitReader) { o.records, o.keys = r.list(), r.list() }

func (*alterOp) kind() byte { return unitAlter }

func (o *alterOp) encode(w *unitWriter) {
	w.id(o.id)
	w.num(int64(len(o.ns)))
	for _, n := range o.ns {
		w.num(int64(n))
	}
	w.num(int64(o.a.State))
	w.num(millis(o.a.Due))
}

func (o *alterOp) decode(r *unitReader) {
	o.id = r.id()
	for range r.count() {
		o.ns = append(o.ns, int(r.num()))
	}
	o.a = queue.Alteration{State: queue.State(r.num()), Due: fromMillis(r.num())}
}

func (*ackOp) kind() byte { return unitAck }

func (o *ackOp) encode(w *unitWriter) {
	w.text(o.consumer)
	w.seqs(o.seqs)
}

func (o *ackOp) decode(r *unitReader) { o.consumer, o.seqs = r.text(), r.seqs() }

func (*keepOp) kind() byte { return unitKeep }

func (o *keepOp) encode(w *unitWriter) {
	w.num(int64(o.what))
	w.text(o.consumer)
	w.seqs(o.seqs)
}

func (o *keepOp) decode(r *unitReader) {
	o.what = keepWhat(r.num())
	o.consumer, o.seqs = r.text(), r.seqs()
}
