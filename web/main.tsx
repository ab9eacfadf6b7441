/** Entry file of the studio's page. */
import { render } from "preact";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";
import { App } from "./app.tsx";
import { isolatePage } from "./isolation.ts";

void isolatePage();
render(<App />, document.body);
