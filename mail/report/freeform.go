package report

import "strings"

func (in *Incoming) freeForm(fields, *tree) bool { return false }

// cutOriginal parts a text into a report and the message that it returns.
func cutOriginal(text string) (report, original string) {
	for _, m := range []string{"\nReceived: ", "\nReturn-Path: "} {
		if i := strings.Index(text, m); i >= 0 {
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}
