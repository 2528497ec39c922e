package destination_test

import (
	"errors"
	"testing"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/destination"
)

func TestAnIdentityHasOneTopicForEachTypeOfEvent(t *testing.T) {
	who := destination.Owner{Account: shop, Identity: "example.com"}
	b, err := destination.Open(t.Context(), destination.Options{Directory: &accounttest.Directory{}, Exists: func(o destination.Owner) error {
		if o == who || o.Topic == "first" || o.Topic == "second" {
			return nil
		}
		return account.ErrNotFound
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		word, topic string
		want        error
	}{
		{"bounce", "", nil}, {"bounce", "first", nil}, {"complaint", "first", nil}, {"bounce", "second", nil}, {"bounce", "second", nil},
		{"bounce", "third", destination.ErrNoTopic}, {"delivery", "third", destination.ErrNoTopic}, {"send", "first", destination.ErrBad},
		{"complaint", "", nil},
	} {
		d, err := b.SetTopic(t.Context(), who, step.word, step.topic)
		if !errors.Is(err, step.want) || err == nil && d.Target != step.topic {
			t.Errorf("%v: %+v, %v", step, d, err)
		}
	}
	for word, want := range map[string]string{"bounce": "second", "complaint": "", "delivery": ""} {
		if got := b.TopicOf(who, word); got != want {
			t.Errorf("%s goes to %q, want %q", word, got, want)
		}
	}
	nobody := destination.Owner{Account: shop, Identity: "example.net"}
	for _, topic := range []string{"", "first"} {
		if _, err := b.SetTopic(t.Context(), nobody, "bounce", topic); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("an identity that is not there: %v", err)
		}
	}
}
