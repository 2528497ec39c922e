// Package handlebars fills templates that are written in the part of Handlebars
// that SES knows: values, each, if, unless, with, and partials that are defined in
// the template. It owns their grammar, the data that they are filled with, and the
// bounds of the work: templates and data are strangers' both.
// It escapes nothing, as SES does not, and it knows neither mail nor where a
// template lies.
package handlebars
