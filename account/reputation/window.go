package reputation

import "time"

// extent is the representative volume of a rate (spec section 5.2): the last mails
// that count, however long ago they went, and of who sends more than that all of
// the last days. What comes back takes time: a rate over an hour's mail would set
// the complaints of a week against it.
type extent struct {
	mails int64
	age   time.Duration
	// step is the least time that a span covers; it bounds their number.
	step time.Duration
}

// spans is how many parts the mails of an extent lie in.
const spans = 20

func bounceExtent() extent    { return extent{10_000, 24 * time.Hour, time.Hour} }
func complaintExtent() extent { return extent{10_000, 7 * 24 * time.Hour, 6 * time.Hour} }

// span is a part of a window, from its start to that of the next.
type span struct {
	start      int64 // seconds since 1970
	mails, bad int64
}

// window counts over an extent. The oldest span goes when the others are enough.
type window struct {
	spans []span
	total Rate
}

func (w *window) add(now time.Time, x extent, mails, bad int64) {
	at := now.Unix()
	last := len(w.spans) - 1
	if last < 0 || w.spans[last].mails >= x.mails/spans && at-w.spans[last].start >= int64(x.step/time.Second) {
		w.spans = append(w.spans, span{start: at})
		last++
	}
	w.spans[last].mails += mails
	w.spans[last].bad += bad
	w.total.Mails += mails
	w.total.Bad += bad
	for len(w.spans) > 1 && w.total.Mails-w.spans[0].mails >= x.mails && at-w.spans[1].start >= int64(x.age/time.Second) {
		w.total.Mails -= w.spans[0].mails
		w.total.Bad -= w.spans[0].bad
		w.spans = append(w.spans[:0], w.spans[1:]...)
	}
}
