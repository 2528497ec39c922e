package handlebars_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mailgun/raymond/v2"
)

// grammar makes templates that the other Handlebars knows, too, of values that are
// there: triple braces, since it escapes, and no name that is only around.
type grammar struct {
	*rand.Rand
	b strings.Builder
}

func (g *grammar) one(of ...string) string { return of[g.IntN(len(of))] }

func (g *grammar) nodes(depth int, values []string) {
	for range 1 + g.IntN(4) {
		switch n := g.IntN(8); {
		case n < 3:
			g.b.WriteString(g.one("a", " b", "\n", "  \n", "x\n  c", "\r\n", "<b>"))
		case n < 5 || depth == 0:
			g.b.WriteString("{{{" + g.one(values...) + "}}}")
		case n == 5:
			g.b.WriteString(g.one("{{! note }}", "{{!-- note }} --}}"))
		case n == 6:
			do := g.one("if", "unless")
			g.b.WriteString("{{#" + do + " " + g.one("@root.yes", "@root.no", "@root.s", "@root.list", "@root.gone", "@root.o.x") + "}}")
			g.nodes(depth-1, values)
			if g.IntN(2) == 0 {
				g.b.WriteString("{{else}}")
				g.nodes(depth-1, values)
			}
			g.b.WriteString("{{/" + do + "}}")
		default:
			if g.IntN(2) == 0 {
				g.b.WriteString("{{#each @root.list}}")
				g.nodes(depth-1, []string{"this", "@index", "@root.s", "."})
				g.b.WriteString("{{/each}}")
			} else {
				g.b.WriteString("{{#each @root.objects}}")
				g.nodes(depth-1, []string{"id", "this.id", "in.deep", "@index"})
				g.b.WriteString("{{else}}no{{/each}}")
			}
		}
	}
}

func TestTemplatesComeOutAsThoseOfAnotherHandlebars(t *testing.T) {
	const text = `{"s":"Ann","n":7,"yes":true,"no":false,"o":{"x":"y"},"list":["a","b"],"objects":[{"id":1,"in":{"deep":"d"}},{"id":2,"in":{"deep":"e"}}]}`
	var values map[string]any
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(2000) {
		g := &grammar{Rand: rand.New(rand.NewPCG(seed, 1))}
		g.nodes(3, []string{"s", "n", "o.x", "yes", "this.s", "@root.n"})
		template := g.b.String()
		want, err := raymond.Render(template, values)
		if err != nil {
			t.Fatalf("%q: the other: %v", template, err)
		}
		got, err := render(t, template, text)
		if err != nil || got != want {
			t.Errorf("%q\ngot  %q, %v\nwant %q", template, got, err, want)
		}
	}
}
