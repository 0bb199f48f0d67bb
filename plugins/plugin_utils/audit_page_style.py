# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the page of an audit looks: one style sheet with a light and a dark scheme. Nothing is loaded."""

from __future__ import annotations

import typing as t

SANS = 'system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans","DejaVu Sans",sans-serif'
MONO = 'ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace'

# Text of each colour on each ground has a contrast of 4.5:1 at least; a test computes it.
LIGHT = {
    "ground": "#f7f7f4",
    "card": "#ffffff",
    "ink": "#17202b",
    "soft": "#55606d",
    "line": "#d9dcd9",
    "accent": "#1b4f9c",
    "fail": "#a8231b",
    "unknown": "#7a4f00",
    "pass": "#17663a",
    "fail-ground": "#fbeae7",
    "unknown-ground": "#fbf2dc",
    "pass-ground": "#e7f3ea",
}
DARK = {
    "ground": "#10141a",
    "card": "#181e26",
    "ink": "#e7eaee",
    "soft": "#a3adb9",
    "line": "#2c343f",
    "accent": "#8fb8ff",
    "fail": "#ff9d93",
    "unknown": "#efc263",
    "pass": "#82d69d",
    "fail-ground": "#351c1b",
    "unknown-ground": "#302710",
    "pass-ground": "#15301f",
}
# The toggle looks for this condition. Paper is always light.
IN_THE_DARK = "screen and (prefers-color-scheme: dark)"


def _colours(colours: t.Mapping[str, str], scheme: str) -> str:
    told = ";".join(f"--{name}:{value}" for name, value in colours.items())
    return f":root{{color-scheme:{scheme};{told}}}"


_RULES = """
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-padding-top:4.5rem}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.6 @SANS;overflow-wrap:anywhere}
a{color:var(--accent);text-underline-offset:.2em;text-decoration-thickness:1px}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
code,pre,.mono{font-family:@MONO;font-size:.875em;font-variant-ligatures:none}
h1,h2,h3,h4,p,pre,dl,dd,ul,figure{margin:0}
.wrap{max-width:70rem;margin-inline:auto;padding-inline:clamp(1rem,4vw,2.5rem)}
.skip{position:absolute;left:1rem;top:-6rem;z-index:9;padding:.6rem 1rem;background:var(--card);
border:1px solid var(--line)}
.skip:focus{top:1rem}
main:focus{outline:none}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.soft{color:var(--soft)}

header{padding-block:1.5rem .75rem}
header .wrap{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline}
h1{font-size:1.125rem;font-weight:650;letter-spacing:-.005em}
header p{color:var(--soft);font-size:.9375rem;flex:1 1 auto}
button,input,select{font:inherit;font-size:.9375rem;color:var(--ink);background:var(--card);
border:1px solid var(--soft);border-radius:6px;padding:.4rem .7rem;max-width:100%}
input,select{height:2.6rem}
button{cursor:pointer}
button:hover{border-color:var(--accent);color:var(--accent)}
nav{position:sticky;top:0;z-index:5;background:var(--ground);border-block:1px solid var(--line)}
nav ul{display:flex;gap:.25rem 1.5rem;list-style:none;padding:0;overflow-x:auto;scrollbar-width:thin}
nav a{display:block;padding:.7rem 0;white-space:nowrap;text-decoration:none;font-size:.9375rem;color:var(--soft)}
nav a:hover{color:var(--accent);box-shadow:inset 0 -2px var(--accent)}
nav a:focus-visible{outline-offset:-3px}

main>section{padding-block:clamp(2rem,5vw,3.5rem);border-bottom:1px solid var(--line)}
h2{font-size:clamp(1.4rem,3vw,1.75rem);line-height:1.25;font-weight:650;letter-spacing:-.015em;margin-bottom:.4rem}
h2+div>p:first-child,.lead{color:var(--soft);max-width:46rem;margin-bottom:1.5rem}
h3,h4{font-size:1.0625rem;line-height:1.4;font-weight:650}
.many .later{content-visibility:auto;contain-intrinsic-size:auto 40rem}

.st-pass{color:var(--pass)}.st-fail{color:var(--fail)}.st-unknown,.st-partial{color:var(--unknown)}
.st-not_applicable{color:var(--soft)}
.st{white-space:nowrap;font-weight:600}
.st i{display:inline-block;min-width:.7em;margin-right:.35em;text-align:center;font-style:normal;font-weight:700}
.st-fail i{transform:scale(1.3)}

.verdict{display:flex;gap:clamp(.9rem,3vw,2rem);align-items:center;font-size:clamp(2.6rem,9vw,5.25rem);line-height:1;
font-weight:700;letter-spacing:-.035em;margin-bottom:1.5rem}
.verdict i{flex:none;display:grid;place-items:center;width:1.25em;height:1.25em;border-radius:50%;font-style:normal;
font-size:.8em;letter-spacing:0}
.verdict.st-fail i{transform:none}
.verdict.st-pass i{background:var(--pass-ground)}.verdict.st-fail i{background:var(--fail-ground)}
.verdict.st-unknown i{background:var(--unknown-ground)}
.say{font-size:clamp(1.125rem,2.4vw,1.375rem);line-height:1.5;max-width:46rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:1px;margin-top:2rem;
background:var(--line);border:1px solid var(--line);border-radius:10px;overflow:hidden}
.tiles div{background:var(--card);padding:1rem 1.25rem;display:flex;flex-direction:column-reverse}
.tiles dt{font-size:.9375rem}
.tiles dd{font-size:1.875rem;line-height:1.2;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums}

.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1.5rem 3rem}
.rows{list-style:none;padding:0}
.rows li{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:.1rem 1rem;padding:.65rem 0;
border-top:1px solid var(--line)}
.rows .soft{grid-column:1/-1;font-size:.9375rem}
.two h3{padding-bottom:.5rem}

.note{padding:.9rem 1.25rem;border-radius:8px;margin-bottom:1.5rem;font-weight:600}
.note .st{white-space:normal}
.note.st-pass{background:var(--pass-ground)}.note.st-fail{background:var(--fail-ground)}
.note.st-unknown{background:var(--unknown-ground)}
.note ul{font-weight:400;padding-left:1.2rem;color:var(--ink)}

.finding{background:var(--card);border:1px solid var(--line);border-left:4px solid var(--fail);border-radius:8px;
padding:1rem 1.25rem;margin-top:.9rem}
.finding.unknown{border-left-color:var(--unknown)}
.change{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:.1rem 1.5rem;
padding:.5rem 0;border-top:1px solid var(--line);font-size:.9375rem}
.change summary{padding:0}
.change ul{padding-left:1.2rem}
.finding h4{display:flex;flex-wrap:wrap;gap:0 .75rem;align-items:baseline}
.finding h4 code{font-weight:600;color:var(--soft)}
.finding>p{margin-top:.35rem;max-width:54rem}
.facts{display:flex;flex-wrap:wrap;gap:.1rem 1.25rem;font-size:.9375rem;color:var(--soft)}
.dots{letter-spacing:.12em;margin-right:.35em}
.part{margin:2.25rem 0 .25rem;font-size:1.1875rem}
summary>.part{margin-block:1rem .25rem}
summary{cursor:pointer;padding:.3rem 0;color:var(--accent);width:fit-content;max-width:100%}
summary:hover{text-decoration:underline;text-underline-offset:.2em}
summary>h3{display:inline-block;vertical-align:baseline;color:var(--ink)}
details[open]>summary{margin-bottom:.4rem}
.finding>details{margin-top:.5rem}
.item{padding:.8rem 0;border-top:1px solid var(--line)}
.item dl{display:grid;grid-template-columns:minmax(6.5rem,auto) minmax(0,1fr);gap:.2rem 1rem;margin-top:.5rem;
font-size:.9375rem}
.item dt{color:var(--soft)}
.where{font-weight:600}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--ground);border-radius:6px;padding:.7rem .9rem;
line-height:1.5;margin-top:.5rem;unicode-bidi:isolate}

.filter{display:flex;flex-wrap:wrap;gap:.75rem 1.25rem;align-items:end;margin-bottom:1rem}
.filter[hidden]{display:none}
.filter label{display:grid;gap:.2rem;font-size:.875rem;color:var(--soft)}
.filter input{width:16rem}
.filter output{padding-block:.45rem;font-size:.9375rem;color:var(--soft)}
.table{overflow:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
.tall{max-height:min(46rem,80vh)}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.9375rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:.75rem 1rem;color:var(--soft);font-size:.875rem}
th,td{text-align:left;vertical-align:top;padding:.45rem 1rem;border-top:1px solid var(--line);font-weight:400}
thead th{position:sticky;top:0;z-index:1;background:var(--card);border-bottom:1px solid var(--line);border-top:0;
font-weight:600;font-size:.875rem;white-space:nowrap}
tbody th{font-weight:600}
.matrix table{table-layout:fixed;min-width:46rem}
.matrix .mono{display:block;color:var(--soft);font-size:.8125rem}
.matrix th,.matrix td{padding-block:.35rem}
.w1{width:22%}.w2{width:18%}
.again th[scope]{font-weight:400;color:var(--soft)}
.again th,.again td{border-top-style:dotted}
td.bad{background:var(--fail-ground)}
td.dim{background:var(--unknown-ground)}
.num{text-align:right;white-space:nowrap}
.bar{display:block;width:100%;min-width:8rem;height:.6rem;fill:var(--accent)}
.bar .rail{fill:var(--line)}

.host,.check{border-top:1px solid var(--line)}
.host>summary,.check>summary{width:auto;color:var(--ink);padding:.6rem 0;display:grid;
grid-template-columns:.7rem 9.5rem minmax(0,1fr) auto;gap:.1rem .8rem;align-items:baseline;list-style:none}
.host>summary::before,.check>summary::before{content:"▸";content:"▸"/"";color:var(--soft);font-size:.8em}
.host[open]>summary::before,.check[open]>summary::before{content:"▾";content:"▾"/""}
.host>summary::-webkit-details-marker,.check>summary::-webkit-details-marker{display:none}
.host>summary:hover b,.check>summary:hover b{color:var(--accent)}
.host b,.check b{font-weight:600}
.host>summary .soft,.check>summary .soft{font-size:.9375rem}
.host>div,.check>div{padding:0 0 1.25rem 1.5rem}
.tall .host{padding-inline:1rem}
.tall>.host:first-child{border-top:0}
.host h3{margin-top:1rem}
.host pre{background:none;border-left:2px solid var(--line);border-radius:0;padding-block:.2rem}
.host dl,.check dl{display:grid;grid-template-columns:minmax(6rem,auto) minmax(0,1fr);gap:.2rem 1rem;font-size:.9375rem}
.host dt,.check dt{color:var(--soft)}
.many .host{content-visibility:auto;contain-intrinsic-size:auto 2.9rem}

.words{display:grid;grid-template-columns:minmax(8.5rem,auto) minmax(0,46rem);gap:.7rem 1.5rem;margin-block:1rem}
.plan{overflow:auto;border:1px solid var(--line);border-radius:8px}
.plan svg{display:block;width:100%;height:auto;min-width:52rem}
@media(min-width:75rem){#map figure{margin-inline:calc(50% - min(50vw - 2.5rem,43rem))}}
.timeline table{min-width:38rem}
.timeline tbody th{min-width:12rem}
.timeline tbody :is(th,td){vertical-align:middle}
footer{padding-block:2rem 3rem;color:var(--soft);font-size:.875rem}

@media(max-width:40rem){
.host>summary,.check>summary{grid-template-columns:.7rem minmax(0,1fr) auto}
.host>summary .wide,.check>summary .wide{grid-column:2/-1;grid-row:2}
.item dl{grid-template-columns:minmax(0,1fr)}.item dd{margin-bottom:.4rem}
.words{grid-template-columns:minmax(0,1fr);gap:.1rem}.words dd{margin-bottom:.8rem}
.tiles{grid-template-columns:1fr 1fr}.tiles div{padding:.8rem 1rem}
.filter label,.filter input,.filter select{width:100%}
.matrix table{min-width:0;font-size:.875rem}
.matrix th,.matrix td{padding-inline:.45rem}
.matrix .w1{width:22%}.matrix .w2{width:28%}
.matrix td .address{display:none}
header .wrap{flex-wrap:wrap}h1{flex:1 1 9rem}header p{order:3;flex-basis:100%}
}
@media(prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}.skip{transition:top .15s}}
@media print{
html{font-size:80%}
body{background:#fff}
nav,.skip,.filter,button{display:none}
nav{position:static}
.many .later,.many .host{content-visibility:visible}
.tall{max-height:none}
.table,.plan{overflow:visible}
thead th{position:static}
.matrix table,.plan svg{min-width:0}
details::details-content{content-visibility:visible;display:block;block-size:auto}
main>section{padding-block:1.2rem}
h2,h3,h4,summary{break-after:avoid}
tr,.item>p{break-inside:avoid}
a{color:inherit;text-decoration:none}
}
"""

STYLE = (
    _colours(LIGHT, "light")
    + f"@media {IN_THE_DARK}{{{_colours(DARK, 'dark')}}}"
    + _RULES.replace("@SANS", SANS).replace("@MONO", MONO).replace("\n", "")
)
