package reputation

import "time"

// Points cover a quarter of an hour and are kept for two weeks (spec section 5.1,
// GetSendStatistics).
const (
	quarter  = 15 * time.Minute
	keptFor  = 14 * 24 * time.Hour
	dayForm  = "2006-01-02"
	maxKept  = int(keptFor / quarter)
	fieldsOf = 5
)

// Point is what became of an account's mail in a quarter of an hour. It counts
// recipients, those of the mailbox simulator too.
type Point struct {
	Time     time.Time // its begin
	Attempts uint32    // accepted (SES: DeliveryAttempts)
	// Bounces are all that were given up or came back, but for those that a
	// suppression list of the account's stopped; Complaints and Rejects likewise.
	Bounces, Complaints, Rejects uint32
}

// point counts an outcome at the time when it became known. It is called under the
// lock.
func (b *Book) point(now time.Time, accountID string, f Fact) {
	if f.Outcome == Delivered || f.SubType == onOwnList || f.SubType == unsubscribed {
		return
	}
	list := b.points[accountID]
	at := now.UTC().Truncate(quarter)
	if len(list) == 0 || list[len(list)-1].Time.Before(at) {
		list = append(list, Point{Time: at})
		for len(list) > maxKept || now.Sub(list[0].Time) > keptFor {
			list = list[1:]
		}
		b.points[accountID] = list
	}
	p := &list[len(list)-1]
	switch f.Outcome {
	case Sent:
		p.Attempts += uint32(f.count())
	case Bounced:
		p.Bounces++
	case Complained:
		p.Complaints++
	case Rejected:
		p.Rejects++
	case Delivered:
	}
	b.days[p.Time.Format(dayForm)] = true
}

// Statistics gives the points of an account, by its id, of the last two weeks, in
// order. Quarters without mail are left out.
func (b *Book) Statistics(accountID string) []Point {
	oldest := time.Now().Add(-keptFor)
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Point
	for _, p := range b.points[accountID] {
		if p.Time.After(oldest) {
			out = append(out, p)
		}
	}
	return out
}
