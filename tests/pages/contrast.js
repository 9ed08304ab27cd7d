// the texts that are seen and have too little contrast to what is behind them, by WCAG 2
(() => {
  const parts = text => [...text.match(/[\d.]+/g).map(Number), 1].slice(0, 4)
  const over = (top, below) => [0, 1, 2].map(n => top[n] * top[3] + below[n] * (1 - top[3]))
  const channel = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  const luminance = colour => {
    const [red, green, blue] = colour.map(value => channel(value / 255))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const seen = {opacityProperty: true, visibilityProperty: true}
  const pale = new Map()
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  let texts = 0
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement
    if (!text || !element.checkVisibility(seen) || !element.getClientRects().length) continue
    texts += 1
    const layers = []
    for (let at = element; at; at = at.parentElement) {
      layers.unshift(parts(getComputedStyle(at).backgroundColor))
    }
    const ground = layers.reduce((below, top) => over(top, below), [255, 255, 255])
    const style = getComputedStyle(element), size = parseFloat(style.fontSize)
    const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700
    const [light, dark] = [over(parts(style.color), ground), ground].map(luminance).sort((a, b) => b - a)
    const ratio = (light + 0.05) / (dark + 0.05)
    if (ratio < (large ? 3 : 4.5)) pale.set(`${style.color} on ${ground.map(Math.round)}`, `${ratio.toFixed(2)}, ${text.slice(0, 40)}`)
  }
  return [texts, [...pale].map(pair => pair.join(': '))]
})()
