package template_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/accounttest"
	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/mail/handlebars"
)

const shop = "000000000042"

func open(t testing.TB, dir account.Directory) *template.Book {
	t.Helper()
	b, err := template.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hello(name string) template.Template {
	return template.Template{Account: shop, Name: name,
		Content: template.Content{Subject: "Hello {{name}}", Text: "Dear {{name}}", HTML: "<b>{{name}}</b>"}}
}

func TestATemplateIsThereAfterReopenAsItWasChanged(t *testing.T) {
	dir := &accounttest.Directory{}
	b := open(t, dir)
	made, err := b.Create(t.Context(), hello("Welcome"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), shop, "Welcome"); err != nil { // it is in memory now
		t.Fatal(err)
	}
	want, err := b.Change(t.Context(), shop, "Welcome", func(t *template.Template) {
		t.Subject, t.Labels = "New", account.Labels{template.FailOnMissing: "true"}
		t.Name, t.Account = "Other", "000000000001" // these stay
	})
	if err != nil {
		t.Fatal(err)
	}
	if want.Name != "Welcome" || want.Account != shop || !want.Created.Equal(made.Created) || want.Updated.Before(made.Updated) || want.Subject != "New" {
		t.Errorf("changed to %+v", want)
	}
	for _, b := range []*template.Book{b, open(t, dir)} {
		got, err := b.Get(t.Context(), shop, "Welcome")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Template); diff != "" || !got.FailsOnMissing() {
			t.Error(diff)
		}
		if list := b.List(shop); len(list) != 1 || list[0] != (template.Name{Account: shop, Name: "Welcome", Created: made.Created}) {
			t.Errorf("listed %v", list)
		}
		for _, none := range [][2]string{{shop, "welcome"}, {"000000000001", "Welcome"}} {
			if _, err := b.Get(t.Context(), none[0], none[1]); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("%v: %v", none, err)
			}
		}
	}
}

func TestTemplatesThatCannotBeAreRefused(t *testing.T) {
	b := open(t, &accounttest.Directory{})
	if _, err := b.Create(t.Context(), hello("taken")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		alter func(*template.Template)
		want  error
	}{
		"no name":        {func(s *template.Template) { s.Name = "" }, template.ErrName},
		"a line end":     {func(s *template.Template) { s.Name = "a\n" }, template.ErrName},
		"65 letters":     {func(s *template.Template) { s.Name = strings.Repeat("é", 65) }, template.ErrName},
		"taken":          {func(s *template.Template) { s.Name = "taken" }, account.ErrExists},
		"no subject":     {func(s *template.Template) { s.Subject = "" }, template.ErrSubject},
		"over 500 KB":    {func(s *template.Template) { s.HTML = strings.Repeat("x", template.MaxOctets) }, template.ErrSize},
		"a wrong label":  {func(s *template.Template) { s.Labels = account.Labels{"aws:x": ""} }, account.ErrLabels},
		"broken text":    {func(s *template.Template) { s.Text = "{{" }, nil},
		"broken HTML":    {func(s *template.Template) { s.HTML = "{{#if}}" }, nil},
		"broken subject": {func(s *template.Template) { s.Subject = "{{/x}}" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := hello("new")
			c.alter(&s)
			_, err := b.Create(t.Context(), s)
			var part *template.PartError
			if c.want != nil && !errors.Is(err, c.want) || c.want == nil && (!errors.As(err, &part) || !strings.HasPrefix(name, "broken "+part.Part)) {
				t.Errorf("created: %v, want %v", err, c.want)
			}
			if errors.Is(c.want, account.ErrExists) || errors.Is(c.want, template.ErrName) {
				return // these stay
			}
			_, changed := b.Change(t.Context(), shop, "taken", c.alter)
			if changed == nil || changed.Error() != err.Error() {
				t.Errorf("changed: %v", changed)
			}
		})
	}
	if got, err := b.Get(t.Context(), shop, "taken"); err != nil || got.Content != hello("").Content {
		t.Errorf("after what was refused: %v, %v", got, err)
	}
}

func TestADeletedTemplateIsGoneAndMayComeAgain(t *testing.T) {
	b := open(t, &accounttest.Directory{})
	for range 2 {
		if _, err := b.Create(t.Context(), hello("a")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Get(t.Context(), shop, "a"); err != nil {
			t.Fatal(err)
		}
		for _, want := range []error{nil, account.ErrNotFound} {
			if err := b.Delete(t.Context(), shop, "a"); !errors.Is(err, want) {
				t.Errorf("delete: %v, want %v", err, want)
			}
		}
		if _, err := b.Get(t.Context(), shop, "a"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := b.Change(t.Context(), shop, "a", func(*template.Template) {}); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("changed: %v", err)
	}
}

func TestAnAccountThatGoesTakesItsTemplatesAlong(t *testing.T) {
	b := open(t, &accounttest.Directory{})
	for i := range 120 { // more than a page
		if _, err := b.Create(t.Context(), hello(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	other := hello("stays")
	other.Account = "000000000001"
	if _, err := b.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteAll(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	if list := b.List(""); len(list) != 1 || list[0].Name != "stays" {
		t.Errorf("left: %v", list)
	}
}

func TestManyTemplatesAreReadAgainAtTheNextStart(t *testing.T) {
	dir := &accounttest.Directory{}
	b := open(t, dir)
	for i := range 120 {
		if _, err := b.Create(t.Context(), hello(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if list := open(t, dir).List(shop); len(list) != 120 {
		t.Errorf("%d templates", len(list))
	}
}

func TestNothingChangesThatIsNotOnStableStorage(t *testing.T) {
	dir := &accounttest.Directory{}
	b := open(t, dir)
	if _, err := b.Create(t.Context(), hello("a")); err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	dir.Fail(full)
	if _, err := b.Create(t.Context(), hello("b")); !errors.Is(err, full) {
		t.Errorf("created: %v", err)
	}
	if _, err := b.Change(t.Context(), shop, "a", func(s *template.Template) { s.Subject = "x" }); !errors.Is(err, full) {
		t.Errorf("changed: %v", err)
	}
	if err := b.Delete(t.Context(), shop, "a"); !errors.Is(err, full) {
		t.Errorf("deleted: %v", err)
	}
	if got, err := b.Get(t.Context(), shop, "a"); err != nil || got.Subject != hello("").Subject || len(b.List("")) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// More templates than the cache holds stay what they are.
func TestLargeTemplatesComeAndGoInMemory(t *testing.T) {
	b := open(t, &accounttest.Directory{})
	for i := range 100 {
		s := hello(fmt.Sprint(i))
		s.HTML = fmt.Sprint(i, strings.Repeat("x", 400<<10))
		if _, err := b.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for i := range 100 {
			got, err := b.Get(t.Context(), shop, fmt.Sprint(i))
			if err != nil || !strings.HasPrefix(got.HTML, fmt.Sprint(i, "x")) {
				t.Fatalf("%d: %v", i, err)
			}
		}
	}
}

func TestATemplateIsFilled(t *testing.T) {
	r, err := template.Read(template.Template{Content: template.Content{
		Subject: "{{a}}", Text: "{{a}} {{amazonSESUnsubscribeUrl}}", HTML: "<a href={{sesameUnsubscribeUrl}}>"}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := handlebars.ReadData(`{"a":"x"}`)
	if err != nil {
		t.Fatal(err)
	}
	// Links to unsubscribe are put in when the message is known.
	want := template.Content{Subject: "x", Text: "x {{amazonSESUnsubscribeUrl}}", HTML: "<a href={{sesameUnsubscribeUrl}}>"}
	if got, err := r.Fill(t.Context(), d, 1000); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := r.Fill(t.Context(), d, 10); !errors.Is(err, handlebars.ErrOutput) {
		t.Errorf("too large: %v", err)
	}
	var missing *handlebars.MissingError
	if _, err := r.Fill(t.Context(), handlebars.Data{}, 1000); !errors.As(err, &missing) || missing.Name != "a" {
		t.Errorf("missing: %v", err)
	}
	if !r.Plain() {
		t.Error("not plain")
	}
}
