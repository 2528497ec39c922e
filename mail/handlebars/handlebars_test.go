package handlebars_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/mail/handlebars"
)

const data = `{"name":"Ann <a&b>","empty":"","zero":0,"price":1.50,"yes":true,"no":false,"none":null,
	"contact":{"first":"Ann","deep":{"er":"x"}},"list":["a","b","c"],"nothing":[],
	"orders":[{"id":1,"items":["p","q"]},{"id":2,"items":[]}],"odd key":"o","with.dot":"d"}`

// budget is one that no honest template uses up.
func budget() *handlebars.Budget { return &handlebars.Budget{Steps: 1_000_000, Octets: 10 << 20} }

func render(t testing.TB, template, data string) (string, error) {
	t.Helper()
	parsed, err := handlebars.Parse(template)
	if err != nil {
		return "", err
	}
	d, err := handlebars.ReadData(data)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Render(t.Context(), d, budget())
}

func TestTemplatesAreFilledAsSESDoes(t *testing.T) {
	for name, c := range map[string]struct{ template, want string }{
		"text alone":                      {"Hello { } }} \r\n", "Hello { } }} \r\n"},
		"nothing":                         {"", ""},
		"values are not escaped":          {"{{name}}|{{{name}}}|{{&name}}|{{ name }}", strings.Repeat("Ann <a&b>|", 3) + "Ann <a&b>"},
		"numbers as they were written":    {"{{price}} {{zero}}", "1.50 0"},
		"booleans":                        {"{{yes}} {{no}}", "true false"},
		"an empty text is there":          {"[{{empty}}]", "[]"},
		"paths":                           {"{{contact.first}} {{contact.deep.er}} {{contact/first}}", "Ann x Ann"},
		"places in lists":                 {"{{list.0}}{{list.[2]}}{{orders.1.id}} {{list.length}}", "ac2 3"},
		"keys in brackets":                {"{{[odd key]}}{{[with.dot]}}", "od"},
		"a list or an object":             {"{{list}} {{contact}} {{nothing}}", `["a","b","c"] {"first":"Ann","deep":{"er":"x"}} []`},
		"each":                            {"{{#each list}}{{@index}}{{this}}{{#if @first}}!{{/if}}{{#unless @last}},{{/unless}}{{/each}}", "0a!,1b,2c"},
		"each over an object, in order":   {"{{#each contact}}{{@key}} {{/each}}", "first deep "},
		"each over nothing":               {"{{#each nothing}}x{{else}}none{{/each}}{{#each gone}}x{{^}}none{{/each}}{{#each name}}x{{/each}}", "nonenone"},
		"each in each":                    {"{{#each orders}}{{id}}:{{#each items}}{{@../index}}{{../id}}{{this}}{{../../zero}} {{/each}}{{/each}}", "1:01p0 01q0 2:"},
		"what is around counts, too":      {"{{#each orders}}{{name}}{{/each}}", "Ann <a&b>Ann <a&b>"},
		"the root":                        {"{{#each orders}}{{@root.list.1}}{{/each}}", "bb"},
		"if":                              {"{{#if yes}}1{{/if}}{{#if no}}2{{else}}3{{/if}}{{#if zero}}4{{/if}}{{#if empty}}5{{/if}}{{#if nothing}}6{{/if}}{{#if none}}7{{/if}}{{#if contact}}8{{/if}}", "138"},
		"if of what is not there":         {"{{#if gone}}1{{else}}2{{/if}}{{#if gone.on}}3{{/if}}{{#unless gone}}4{{/unless}}", "24"},
		"else if":                         {"{{#if no}}1{{else if zero}}2{{else if yes}}3{{else}}4{{/if}}", "3"},
		"with":                            {"{{#with contact.deep}}{{er}}{{../contact.first}}{{/with}}{{#with gone}}1{{else}}2{{/with}}", "xAnn2"},
		"a comment":                       {"a{{! {{ }}b{{!-- }} --}}c{{!----}}d{{!-- x --~}} e", "abcde"},
		"an inline partial":               {`{{#* inline "n"}}<{{contact.first}}>{{/inline}}{{> n}}{{>n}}`, "<Ann><Ann>"},
		"a partial that is defined later": {`{{> n}}{{#*inline 'n'}}x{{/inline}}`, "x"},
		"a partial with a value":          {`{{#*inline "n"}}{{first}}{{/inline}}{{> n contact}}{{> "n" contact}}`, "AnnAnn"},
		"a partial in a block":            {`{{#*inline "n"}}{{this}}{{@index}}{{/inline}}{{#each list}}{{> n}}{{/each}}`, "a0b1c2"},
		"a partial of a block":            {`{{#each list}}{{#*inline "n"}}{{this}}{{/inline}}{{> n}}{{/each}}`, "abc"},
		"tags alone on their lines":       {"a\n  {{#if yes}}\n  b\n  {{/if}}  \nc\n{{!-- no --}}\r\nd", "a\n  b\nc\nd"},
		"tags with text on their lines":   {"a {{#if yes}}\nb\n{{/if}}.", "a \nb\n."},
		"a partial that is indented":      {"{{#*inline \"n\"}}x\ny\n{{/inline}}\n  {{> n}}\nz", "  x\n  y\nz"},
		"white space that is not wanted":  {"a \n {{~name~}} \n b{{~#if yes~}} c {{~/if}}", "aAnn <a&b>bc"},
		"braces that are text":            {`\{{name}} \\{{zero}} {{zero}}\`, `{{name}} \0 0\`},
		"a tag on several lines":          {"{{#if\n yes}}1{{/if}}{{\nzero\n}}", "10"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := render(t, c.template, data)
			if err != nil || got != c.want {
				t.Errorf("%s\ngot  %q, %v\nwant %q", c.template, got, err, c.want)
			}
		})
	}
}

func TestAMissingValueIsNamed(t *testing.T) {
	for template, name := range map[string]string{
		"{{gone}}":                           "gone",
		"{{ contact.gone }}":                 "contact.gone",
		"{{name.x}}":                         "name.x",
		"{{none}}":                           "none",
		"{{list.3}}":                         "list.3",
		"{{list.-1}}":                        "list.-1",
		"{{@index}}":                         "@index",
		"{{../x}}":                           "../x",
		"{{#each orders}}{{this.name}}":      "",
		"{{#each list}}{{this.x}}{{/each}}":  "this.x",
		"{{#each list}}{{./name}}{{/each}}":  "./name",
		"{{#if yes}}{{gone}}{{/if}}":         "gone",
		"{{#unless yes}}{{gone}}{{/unless}}": "-",
	} {
		_, err := render(t, template, data)
		var missing *handlebars.MissingError
		switch errors.As(err, &missing) {
		case true:
			if missing.Name != name || err.Error() != "Attribute '"+name+"' is not present in the rendering data." {
				t.Errorf("%s: %v", template, err)
			}
		case false:
			if (err == nil) != (name == "-") || (name == "") != (err != nil) {
				t.Errorf("%s: %v", template, err)
			}
		}
	}
}

func TestTemplatesThatAreNoneAreRefused(t *testing.T) {
	for template, c := range map[string]struct {
		want        string
		unsupported bool
	}{
		"{{":                              {"line 1: a tag is not closed", false},
		"a\nb {{x":                        {"line 2: a tag is not closed", false},
		"{{}}":                            {"line 1: a tag is empty", false},
		"{{! never":                       {"line 1: a tag is not closed", false},
		"{{!-- never }}":                  {"line 1: a tag is not closed", false},
		"{{{x}}":                          {"line 1: a tag is not closed", false},
		"{{#if x}}":                       {"line 1: the block 'if' is not closed", false},
		"\n\n{{/if}}":                     {"line 3: there is no block that 'if' could end", false},
		strings.Repeat("{{a}}\n", 20_001): {"line 20001: too many tags", false},
		"{{else}}":                        {"line 1: there is no block that '' could end", false},
		"{{#if x}}{{/each}}":              {"line 1: 'each' does not close the block 'if'", false},
		"{{#if x}}{{else}}{{else}}":       {"line 1: '' does not close the block 'if'", false},
		"{{#if}}{{/if}}":                  {"line 1: the block 'if' has no name", false},
		"{{#x}}{{/x}}":                    {"line 1: the block 'x' is not supported", true},
		"{{^if x}}{{/if}}":                {"line 1: the block '^if' is not supported", true},
		"{{lookup a b}}":                  {"line 1: the helper 'lookup' is not supported", true},
		"{{#each a as |b|}}{{/each}}":     {"line 1: 'a as |b|' is not supported", true},
		"{{#if true}}{{/if}}":             {"line 1: 'true' is a literal, which is not supported", true},
		"{{{{raw}}}}":                     {"line 1: four braces are not supported", true},
		"{{> n}}":                         {"line 1: the partial 'n' is not defined", false},
		"{{> (n)}}":                       {"line 1: the partial '(n)' is not supported", true},
		"{{#> n}}{{/n}}":                  {"line 1: the block '>' is not supported", true},
		"{{#*inline n}}{{/inline}}":       {"line 1: 'inline n' is not supported", true},
		`{{#*inline "n"}}`:                {"line 1: the block 'inline' is not closed", false},
		`{{#*other "n"}}{{/other}}`:       {`line 1: 'other "n"' is not supported`, true},
		"{{a..b}}":                        {"line 1: 'a..b' is not a name", false},
		"{{a.}}":                          {"line 1: 'a.' is not a name", false},
		"{{[a}}":                          {"line 1: '[a' has a bracket that is not closed", false},
		"{{a=b}}":                         {"line 1: 'a=b' is not supported", true},
		"{{\"a\"}}":                       {"line 1: '\"a\"' is not supported", true},
		"{{@foo}}":                        {"line 1: '@foo' is not supported", true},
		"{{@}}":                           {"line 1: '@' is not a name", false},
		strings.Repeat("{{#if x}}", 101):  {"line 1: too many blocks in each other", false},
	} {
		_, err := handlebars.Parse(template)
		var syntax *handlebars.SyntaxError
		if !errors.As(err, &syntax) || err.Error() != c.want || syntax.Unsupported != c.unsupported {
			t.Errorf("%.40q: got %v, want %s", template, err, c.want)
		}
	}
}

func TestATemplateIsPlainWhenItOnlyPutsInValues(t *testing.T) {
	for template, want := range map[string]bool{
		"Hello {{name}} {{{a.b}}}{{! no }}": true, "": true,
		"{{#if a}}{{/if}}": false, "{{#each a}}{{/each}}": false, `{{#*inline "n"}}{{/inline}}`: false,
	} {
		parsed, err := handlebars.Parse(template)
		if err != nil || parsed.Plain() != want {
			t.Errorf("%s: %v, %v", template, parsed.Plain(), err)
		}
	}
}

func TestDataIsOneObject(t *testing.T) {
	for _, text := range []string{"[]", "1", `"x"`, "null", "{", `{"a":}`, `{"a":1}{}`, "{} x", strings.Repeat(`{"a":`, 102) + "1" + strings.Repeat("}", 102)} {
		if _, err := handlebars.ReadData(text); !errors.Is(err, handlebars.ErrData) {
			t.Errorf("%.20s: %v", text, err)
		}
	}
	for _, text := range []string{"", " ", "{}", "{} \n"} {
		if d, err := handlebars.ReadData(text); err != nil || !d.Empty() {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReplacementDataGoesOverDefaults(t *testing.T) {
	read := func(text string) handlebars.Data {
		d, err := handlebars.ReadData(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	parsed, err := handlebars.Parse("{{a}}{{b}}{{#each this}}{{@key}}{{/each}}")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ data, defaults, want string }{
		{`{"b":3}`, `{"a":1,"b":2}`, "13ab"}, {`{}`, `{"a":1,"b":2}`, "12ab"}, {`{"a":1,"b":2}`, ``, "12ab"}, {`{"b":3,"a":4,"c":0}`, `{"a":1}`, "43abc"},
	} {
		got, err := parsed.Render(t.Context(), read(c.data).Over(read(c.defaults)), budget())
		if err != nil || got != c.want {
			t.Errorf("%s over %s: %q, %v", c.data, c.defaults, got, err)
		}
	}
}

func TestWhatStandsBehindTheDataIsFoundByNameOnly(t *testing.T) {
	d, err := handlebars.ReadData(`{"a":"1","l":[2]}`)
	if err != nil {
		t.Fatal(err)
	}
	d = d.Before(handlebars.Texts("a", "no", "later", "{{later}}"))
	for template, want := range map[string]string{
		"{{a}} {{later}}": "1 {{later}}", "{{#each l}}{{later}}{{/each}}": "{{later}}",
		"{{this}}": `{"a":"1","l":[2]}`, "{{#each this}}{{@key}}{{/each}}": "al", "{{#if this.later}}x{{/if}}": "",
	} {
		parsed, err := handlebars.Parse(template)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parsed.Render(t.Context(), d, budget()); err != nil || got != want {
			t.Errorf("%s: %q, %v", template, got, err)
		}
	}
}

func TestAnAttackEndsInAnErrorAndSoon(t *testing.T) {
	list := "[" + strings.Repeat("1,", 2000) + "1]"
	nested := strings.Repeat("[", 90) + strings.Repeat("]", 90)
	for name, c := range map[string]struct {
		template, data string
		want           error
	}{
		"each in each":          {"{{#each l}}{{#each @root.l}}{{#each @root.l}}{{/each}}{{/each}}{{/each}}", `{"l":` + list + `}`, handlebars.ErrWork},
		"text in each in each":  {"{{#each l}}{{#each @root.l}}" + strings.Repeat("x", 1000) + "{{/each}}{{/each}}", `{"l":` + list + `}`, handlebars.ErrOutput},
		"the data again":        {"{{#each l}}{{@root}}{{@root}}{{/each}}", `{"l":` + list + `}`, nil},
		"a partial in itself":   {`{{#*inline "n"}}{{> n}}{{> n}}{{/inline}}{{> n}}`, `{}`, handlebars.ErrWork},
		"a partial indented":    {"{{#*inline \"n\"}}\nx\n  {{> n}}\n{{/inline}}\n  {{> n}}\n", `{}`, handlebars.ErrWork},
		"deep data":             {"{{#each this}}{{this}}{{/each}}", `{"a":` + nested + `}`, nil},
		"indented in each":      {"{{#*inline \"n\"}}x\n{{/inline}}\n{{#each l}}{{#each @root.l}}\n  {{> n}}\n{{/each}}{{/each}}", `{"l":` + list + `}`, handlebars.ErrWork},
		"far around":            {strings.Repeat("{{#with a}}", 90) + "{{#each l}}{{#each l}}{{#if gone}}{{/if}}{{/each}}{{/each}}" + strings.Repeat("{{/with}}", 90), `{"a":{"b":1},"l":` + list + `}`, nil},
		"a tag that never ends": {strings.Repeat("{{!-- -- ", 50000), `{}`, nil},
		"comments":              {strings.Repeat("{{!-- x --}}{{!-- x --~}}", 10000), `{}`, nil},
		"long names":            {"{{" + strings.Repeat("a.", 100000) + "a}}", `{}`, nil},
		"far out":               {"{{" + strings.Repeat("../", 100000) + "a}}", `{}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := render(t, c.template, c.data)
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestARenderingEndsWithItsContext(t *testing.T) {
	parsed, err := handlebars.Parse("{{#each l}}{{#each @root.l}}{{/each}}{{/each}}")
	if err != nil {
		t.Fatal(err)
	}
	d, err := handlebars.ReadData(`{"l":[` + strings.Repeat("1,", 1000) + `1]}`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := parsed.Render(ctx, d, &handlebars.Budget{Steps: 1 << 40, Octets: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPartsShareABudget(t *testing.T) {
	parsed, err := handlebars.Parse("12345")
	if err != nil {
		t.Fatal(err)
	}
	b := &handlebars.Budget{Steps: 100, Octets: 12}
	for _, want := range []error{nil, nil, handlebars.ErrOutput} {
		if _, err := parsed.Render(t.Context(), handlebars.Data{}, b); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}
