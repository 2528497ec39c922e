package bolt

import "github.com/sesame-mta/sesame/event"

// What events of some types say beside, on disk. Nil is nil both ways.

type reportRecord struct {
	UserAgent    string `cbor:"1,keyasint,omitempty"`
	FeedbackType string `cbor:"2,keyasint,omitempty"`
	Arrival      int64  `cbor:"3,keyasint,omitempty"`
}

func fromReport(r *event.Report) *reportRecord {
	if r == nil {
		return nil
	}
	return &reportRecord{r.UserAgent, r.FeedbackType, millis(r.Arrival)}
}

func (r *reportRecord) report() *event.Report {
	if r == nil {
		return nil
	}
	return &event.Report{UserAgent: r.UserAgent, FeedbackType: r.FeedbackType, Arrival: fromMillis(r.Arrival)}
}

type failureRecord struct {
	Template string `cbor:"1,keyasint,omitempty"`
	Text     string `cbor:"2,keyasint,omitempty"`
}

func fromFailure(f *event.Failure) *failureRecord {
	if f == nil {
		return nil
	}
	return &failureRecord{f.Template, f.Text}
}

func (f *failureRecord) failure() *event.Failure {
	if f == nil {
		return nil
	}
	return &event.Failure{Template: f.Template, Text: f.Text}
}

type changeRecord struct {
	List   string            `cbor:"1,keyasint,omitempty"`
	Source string            `cbor:"2,keyasint,omitempty"`
	Old    preferencesRecord `cbor:"3,keyasint"`
	New    preferencesRecord `cbor:"4,keyasint"`
}

type preferencesRecord struct {
	UnsubscribeAll bool          `cbor:"1,keyasint,omitempty"`
	Topics         []topicRecord `cbor:"2,keyasint,omitempty"`
}

type topicRecord struct {
	Name string `cbor:"1,keyasint,omitempty"`
	In   bool   `cbor:"2,keyasint,omitempty"`
}

func fromChange(c *event.Change) *changeRecord {
	if c == nil {
		return nil
	}
	return &changeRecord{c.List, c.Source, fromPreferences(c.Old), fromPreferences(c.New)}
}

func (c *changeRecord) change() *event.Change {
	if c == nil {
		return nil
	}
	return &event.Change{List: c.List, Source: c.Source, Old: c.Old.preferences(), New: c.New.preferences()}
}

func fromPreferences(p event.Preferences) (r preferencesRecord) {
	r.UnsubscribeAll = p.UnsubscribeAll
	for _, t := range p.Topics {
		r.Topics = append(r.Topics, topicRecord{t.Name, t.In})
	}
	return r
}

func (r preferencesRecord) preferences() (p event.Preferences) {
	p.UnsubscribeAll = r.UnsubscribeAll
	for _, t := range r.Topics {
		p.Topics = append(p.Topics, event.Topic{Name: t.Name, In: t.In})
	}
	return p
}
