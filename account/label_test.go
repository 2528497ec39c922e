package account_test

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/account"
)

func TestLabelsAreChecked(t *testing.T) {
	many := account.Labels{}
	for n := range account.MaxLabels + 1 {
		many[strconv.Itoa(n)] = ""
	}
	for name, tt := range map[string]struct {
		labels account.Labels
		want   string
	}{
		"none":                   {nil, ""},
		"text of any script":     {account.Labels{"team": "", "Gruß": "日本 語"}, ""},
		"as long as may be":      {account.Labels{strings.Repeat("é", 128): strings.Repeat("é", 256)}, ""},
		"an empty key":           {account.Labels{"": "x"}, "a key has 1 to 128"},
		"a long key":             {account.Labels{strings.Repeat("k", 129): "x"}, "a key has 1 to 128"},
		"a long value":           {account.Labels{"k": strings.Repeat("v", 257)}, "a key has 1 to 128"},
		"a reserved key":         {account.Labels{"AWS:x": ""}, "aws:"},
		"an octet that is none":  {account.Labels{"k": "\xff"}, "text only"},
		"a line end":             {account.Labels{"k": "a\nb"}, "text only"},
		"more than there may be": {many, "more than 50"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.labels.Check()
			if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, account.ErrLabels) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestLabelsAreReplacedAndNeverChanged(t *testing.T) {
	var none account.Labels
	one := none.With(account.Labels{"a": "1"})
	two := one.With(account.Labels{"a": "2", "b": "3"})
	three := two.Without([]string{"a", "z"})
	if none.Without([]string{"a"}) != nil || !maps.Equal(one, account.Labels{"a": "1"}) ||
		!maps.Equal(two, account.Labels{"a": "2", "b": "3"}) || !maps.Equal(three, account.Labels{"b": "3"}) {
		t.Errorf("%v %v %v", one, two, three)
	}
}
