// MLflow shows a page as a blob in a frame, where a browser follows no link to a chapter
if (location.protocol === "blob:") document.addEventListener("click", event => {
  const link = event.target.closest("a[href^='#']")
  const chapter = link && document.getElementById(link.hash.slice(1))
  if (!chapter) return
  event.preventDefault()
  document.querySelector("section.chosen")?.classList.remove("chosen")
  chapter.closest("section").classList.add("chosen")
  chapter.tabIndex = -1
  chapter.focus({preventScroll: true})
  chapter.scrollIntoView()  // of tabs to the top, by their margin
})
