package topic_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/topic"
)

const (
	shop   = "000000000042"
	region = "local-1"
	url    = "https://app.example.com/sns"
)

// open opens the topics and the destinations of a directory.
func open(t testing.TB, dir account.Directory) (*topic.Book, *destination.Book) {
	t.Helper()
	var destinations *destination.Book
	topics, err := topic.Open(t.Context(), topic.Options{Directory: dir, Region: region,
		Destinations: func() *destination.Book { return destinations },
		Token:        func(d destination.Destination) string { return "token of " + d.Name }})
	if err != nil {
		t.Fatal(err)
	}
	destinations, err = destination.Open(t.Context(), destination.Options{Directory: dir, Exists: func(o destination.Owner) error {
		if o.Topic == "" {
			return nil
		}
		_, err := topics.Get(o.Account, o.Topic)
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return topics, destinations
}

// subscribed makes the topic "news" with a confirmed subscription.
func subscribed(t *testing.T, b *topic.Book) topic.Subscription {
	t.Helper()
	if _, err := b.Create(t.Context(), shop, "news", 0); err != nil {
		t.Fatal(err)
	}
	s, err := b.Subscribe(t.Context(), shop, "news", "https", url, false)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = b.Confirm(t.Context(), shop, "news", "token of "+s.ID); err != nil || !s.Confirmed {
		t.Fatalf("%+v, %v", s, err)
	}
	return s
}

func TestTopicsSurviveAReopen(t *testing.T) {
	dir := &accounttest.Directory{}
	b, _ := open(t, dir)
	s := subscribed(t, b)
	if again, err := b.Create(t.Context(), shop, "news", 2); err != nil || again.Signature != 1 {
		t.Errorf("made again: %+v, %v", again, err)
	}
	b, _ = open(t, dir)
	got := b.Subscriptions(shop, "")
	if len(b.List(shop)) != 1 || len(got) != 1 || got[0] != s {
		t.Fatalf("%v, %+v", b.List(shop), got)
	}
	if got[0].Protocol() != "https" || b.SubscriptionARN(s) != "arn:aws:sns:local-1:000000000042:news:"+s.ID {
		t.Errorf("%s, %s", got[0].Protocol(), b.SubscriptionARN(s))
	}
	if err := b.DeleteAll(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), shop, "news"); err != nil {
		t.Errorf("deleted again: %v", err)
	}
	b, destinations := open(t, dir)
	if len(b.List(shop)) != 0 || len(destinations.All("")) != 0 {
		t.Errorf("left %v, %v", b.List(shop), destinations.All(""))
	}
}

func TestATopicIsToldThroughWhoAgreed(t *testing.T) {
	b, destinations := open(t, &accounttest.Directory{})
	s := subscribed(t, b)
	if _, err := b.Subscribe(t.Context(), shop, "news", "http", "http://other.example.com/", true); err != nil {
		t.Fatal(err)
	}
	set := destination.Owner{Account: shop, Set: "main"}
	d, _, err := destinations.Add(t.Context(), destination.Destination{Owner: set, Name: "app", Kind: destination.Topic,
		Target: "news", Events: []string{"bounce"}})
	if err != nil {
		t.Fatal(err)
	}
	ways := destinations.Ways(d)
	if len(ways) != 1 || ways[0].Owner != set || ways[0].Name != "app" || ways[0].Target != url || !ways[0].Wants("bounce") ||
		ways[0].Via != (destination.Via{Topic: "news", Subscription: s.ID}) {
		t.Fatalf("%+v", ways)
	}
	hears := func(want bool) {
		t.Helper()
		if got := destinations.Hears(set, "bounce"); got != want || destinations.Hears(set, "send") {
			t.Errorf("hears of bounces: %v, want %v", got, want)
		}
	}
	hears(true)
	at, name := ways[0].Place()
	if _, err := destinations.Change(t.Context(), at, name, func(d *destination.Destination) { d.Parked = time.Now() }); err != nil {
		t.Fatal(err)
	}
	hears(false)
	if _, err := destinations.Resume(t.Context(), set, "app"); err != nil {
		t.Fatal(err)
	}
	hears(true)
	if err := b.SetRaw(t.Context(), shop, "news", s.ID, true); err != nil || !destinations.Ways(d)[0].Raw {
		t.Errorf("%v, %+v", err, destinations.Ways(d))
	}
	if err := b.Unsubscribe(t.Context(), shop, "news", s.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.Unsubscribe(t.Context(), shop, "news", s.ID); err != nil {
		t.Errorf("again: %v", err)
	}
	hears(false)
}

func TestADestinationMovesBetweenTopicsAndCounters(t *testing.T) {
	b, destinations := open(t, &accounttest.Directory{})
	subscribed(t, b)
	set := destination.Owner{Account: shop, Set: "main"}
	d := destination.Destination{Owner: set, Name: "app", Kind: destination.Topic, Target: "none", Events: []string{"bounce"}}
	if _, _, err := destinations.Add(t.Context(), d); !errors.Is(err, destination.ErrNoTopic) {
		t.Errorf("no such topic: %v", err)
	}
	d.Target = "news"
	if _, _, err := destinations.Add(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	to := func(k destination.Kind, target string) error {
		_, err := destinations.Change(t.Context(), set, "app", func(d *destination.Destination) { d.Kind, d.Target = k, target })
		return err
	}
	if err := to(destination.Topic, "none"); !errors.Is(err, destination.ErrNoTopic) {
		t.Errorf("to no such topic: %v", err)
	}
	if err := to(destination.File, "x"); !errors.Is(err, destination.ErrBad) {
		t.Errorf("to a file: %v", err)
	}
	if err := to(destination.Metrics, ""); err != nil {
		t.Errorf("to counters: %v", err)
	}
}

func TestWhatNoTopicMayBeIsRefused(t *testing.T) {
	b, _ := open(t, &accounttest.Directory{})
	subscribed(t, b)
	ctx := t.Context()
	for name, c := range map[string]struct {
		do   func() error
		want error
	}{
		"a name with a slash":   {func() error { _, err := b.Create(ctx, shop, "a/b", 0); return err }, topic.ErrName},
		"a long name":           {func() error { _, err := b.Create(ctx, shop, strings.Repeat("x", 257), 0); return err }, topic.ErrName},
		"a third signature":     {func() error { _, err := b.Create(ctx, shop, "x", 3); return err }, topic.ErrSignature},
		"no such topic":         {func() error { _, err := b.Subscribe(ctx, shop, "x", "https", url, false); return err }, account.ErrNotFound},
		"mail":                  {func() error { _, err := b.Subscribe(ctx, shop, "news", "email", "ann@example.net", false); return err }, topic.ErrEndpoint},
		"another's protocol":    {func() error { _, err := b.Subscribe(ctx, shop, "news", "http", url, false); return err }, topic.ErrEndpoint},
		"an URL without a host": {func() error { _, err := b.Subscribe(ctx, shop, "news", "https", "https://", false); return err }, destination.ErrBad},
		"another token":         {func() error { _, err := b.Confirm(ctx, shop, "news", "x"); return err }, topic.ErrToken},
		"another's token":       {func() error { _, err := b.Confirm(ctx, shop, "x", "x"); return err }, topic.ErrToken},
		"an ARN of elsewhere":   {func() error { _, err := b.Find(shop, "arn:aws:sns:eu-west-1:000000000042:news"); return err }, account.ErrNotFound},
		"an ARN of another":     {func() error { _, err := b.Find(shop, "arn:aws:sns:local-1:000000000043:news"); return err }, account.ErrNotFound},
		"no ARN":                {func() error { _, err := b.Parse(shop, "news"); return err }, topic.ErrARN},
		"no subscription":       {func() error { _, _, err := b.ParseSubscription(shop, "news"); return err }, topic.ErrARN},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.do(); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestASubscriptionThatNobodyConfirmsIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, destinations := open(t, &accounttest.Directory{})
		if _, err := b.Create(t.Context(), shop, "news", 0); err != nil {
			t.Fatal(err)
		}
		s, err := b.Subscribe(t.Context(), shop, "news", "https", url, false)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := b.Subscribe(t.Context(), shop, "news", "https", url, false); err != nil || again.ID != s.ID {
			t.Errorf("subscribed again: %+v, %v", again, err)
		}
		time.Sleep(topic.PendingFor + time.Minute)
		if _, err := b.Confirm(t.Context(), shop, "news", "token of "+s.ID); !errors.Is(err, topic.ErrToken) {
			t.Errorf("confirmed too late: %v", err)
		}
		if list := b.Subscriptions(shop, "news"); len(list) != 0 {
			t.Errorf("left %v", list)
		}
		if _, err := b.Subscribe(t.Context(), shop, "news", "https", url, false); err != nil || len(destinations.All("")) != 1 {
			t.Errorf("%v, %v", destinations.All(""), err)
		}
	})
}

func TestTheWaysThroughTopicsAreBounded(t *testing.T) {
	b, destinations := open(t, &accounttest.Directory{})
	for n := range destination.MostWays/destination.MostSubscriptions + 1 {
		name := fmt.Sprint("t", n)
		if _, err := b.Create(t.Context(), shop, name, 0); err != nil {
			t.Fatal(err)
		}
		for i := range destination.MostSubscriptions {
			_, err := b.Subscribe(t.Context(), shop, name, "https", url+fmt.Sprint(i), false)
			if n*destination.MostSubscriptions >= destination.MostWays {
				if !errors.Is(err, destination.ErrCount) {
					t.Fatalf("one too many for an account: %v", err)
				}
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := b.Subscribe(t.Context(), shop, "t0", "https", url, false); !errors.Is(err, destination.ErrCount) {
		t.Errorf("one too many for a topic: %v", err)
	}
	d := destination.Destination{Kind: destination.Topic, Target: "t0", Events: []string{"bounce"}}
	for n := range 2 {
		for i := range destination.Most {
			d.Owner, d.Name = destination.Owner{Account: shop, Set: fmt.Sprint("set", n)}, fmt.Sprint("d", i)
			_, _, err := destinations.Add(t.Context(), d)
			if full := n > 0; errors.Is(err, destination.ErrCount) != full {
				t.Fatalf("destination %d of set %d: %v", i, n, err)
			}
		}
	}
}

func ExampleBook() {
	var destinations *destination.Book
	b, err := topic.Open(context.Background(), topic.Options{Directory: &accounttest.Directory{}, Region: region,
		Destinations: func() *destination.Book { return destinations },
		Token:        func(d destination.Destination) string { return "token of " + d.Name }})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(b.ARN(shop, "news"))
	name, _ := b.Parse(shop, "arn:aws:sns:local-1:000000000042:news")
	fmt.Println(name)
	// Output:
	// arn:aws:sns:local-1:000000000042:news
	// news
}
